//! HTTP responses: answers of reviews, and the one-line refusals of the guards.
//!
//! A refusal is sent before the body was read. actix would go on reading such a body for as long as the client sends
//! it; while the response holds the payload it instead closes the connection a moment after the response is out. So
//! every refusal takes the payload, and every refusal ends its connection.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_http::Response;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, web};
use bytes::Bytes;

use crate::review::Answer;

/// Content type of everything that is not a review.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// Why a request is refused without looking at a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The body broke off or is not what its headers announce.
    BodyBroken,
    /// The body did not arrive in time.
    BodyLate,
    /// The body is so large that not even its rest is read.
    BodyTooLarge,
    /// Another method than POST.
    Method,
    /// No gate is served at the path.
    NotFound,
    /// The body is not, or not plainly, JSON.
    MediaType,
}

impl Refusal {
    /// Status and text.
    pub(super) fn parts(self) -> (StatusCode, &'static str) {
        match self {
            Refusal::BodyBroken => (StatusCode::BAD_REQUEST, "the request body is incomplete"),
            Refusal::BodyLate => (
                StatusCode::REQUEST_TIMEOUT,
                "the request body did not arrive in time",
            ),
            Refusal::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "the request body is too large"),
            Refusal::Method => (StatusCode::METHOD_NOT_ALLOWED, "only POST is allowed here"),
            Refusal::NotFound => (StatusCode::NOT_FOUND, "no gate is served here"),
            Refusal::MediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the request body must be application/json without content encoding",
            ),
        }
    }

    /// The response; it holds what is left of the body.
    pub(super) fn response(self, unread: web::Payload) -> HttpResponse {
        let (status, text) = self.parts();
        let mut response = closing(status, TEXT, Bytes::from(format!("{text}\n")), unread);
        if self == Refusal::Method {
            response
                .headers_mut()
                .insert(header::ALLOW, header::HeaderValue::from_static("POST"));
        }
        response
    }
}

/// The response to a review that was read.
pub(super) fn answer(answer: Answer) -> HttpResponse {
    HttpResponse::build(status(&answer))
        .content_type(answer.content_type)
        .body(answer.body)
}

/// The response to a review whose body was not read.
pub(super) fn refuse(answer: Answer, unread: web::Payload) -> HttpResponse {
    closing(status(&answer), answer.content_type, answer.body, unread)
}

fn status(answer: &Answer) -> StatusCode {
    StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The response to a client that sends its body only when it is told to: nobody is told, since that would come before
/// the guards. Clients then send the body without asking.
pub(super) fn expectation_failed(unread: actix_http::Payload) -> Response<BoxBody> {
    let text = Bytes::from_static(b"expectations are not supported\n");
    let body = BoxBody::new(Held {
        text: Some(text),
        _unread: unread,
    });
    Response::build(StatusCode::EXPECTATION_FAILED)
        .force_close()
        .content_type(TEXT)
        .body(body)
        .map_into_boxed_body()
}

fn closing(
    status: StatusCode,
    content_type: &'static str,
    text: Bytes,
    unread: web::Payload,
) -> HttpResponse {
    let body = BoxBody::new(Held {
        text: Some(text),
        _unread: unread,
    });
    HttpResponse::build(status)
        .force_close()
        .content_type(content_type)
        .body(body)
}

/// A response body that keeps the request's payload until it has been sent.
struct Held<P> {
    text: Option<Bytes>,
    _unread: P,
}

impl<P: Unpin> MessageBody for Held<P> {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.text.as_ref().map_or(0, Bytes::len) as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.text.take().map(Ok))
    }
}
