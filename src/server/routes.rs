//! The routes of the gates, and the way of a request through the guards to its answer.
//!
//! The order of the guards is a contract: path, method, media type, caller, size. A caller who is not let in has had
//! no byte of a body read.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::body::BoxBody;
use actix_web::dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::{ConnectionType, Method, header};
use actix_web::{App, Error, HttpMessage, HttpRequest, HttpResponse, web};

use super::body::{Body, Intake};
use super::budget::Budget;
use super::callers::Callers;
use super::connection::Connection;
use super::deadline;
use super::decide::Decide;
use super::drain::Drain;
use super::record;
use super::reply::{self, Refusal};
use super::settings::Limits;
use super::workers::Pools;
use crate::gate::Gate;
use crate::metrics::Metrics;
use crate::review::{EnvelopeHint, Failure, Record};

/// The path of every gate.
pub const ROUTES: [(&str, Gate); 5] = [
    ("/v1/authn", Gate::Authn),
    ("/v1/authz", Gate::Authz),
    ("/v1/image", Gate::Image),
    ("/v1/mutate", Gate::Mutate),
    ("/v1/validate", Gate::Validate),
];

/// What answering needs.
pub(super) struct Context {
    pub(super) callers: Arc<Callers>,
    pub(super) deadline: Duration,
    pub(super) limits: Limits,
    pub(super) budget: Budget,
    pub(super) decide: Arc<dyn Decide>,
    pub(super) pools: Arc<Pools>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) drain: Drain,
}

/// The application that one I/O thread serves.
pub(super) fn app(
    context: Arc<Context>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = Error,
        InitError = (),
    >,
> {
    let mut app = App::new().default_service(web::to(async |unread: web::Payload| {
        Refusal::NotFound.response(unread)
    }));
    for (path, gate) in ROUTES
        .into_iter()
        .filter(|(_, gate)| context.callers.serves(*gate))
    {
        let context = Arc::clone(&context);
        app = app.service(
            web::resource(path).to(move |request: HttpRequest, payload: web::Payload| {
                let context = Arc::clone(&context);
                async move { context.serve(gate, &request, payload).await }
            }),
        );
    }
    let drain = context.drain.clone();
    app.wrap_fn(move |request, service| {
        let drain = drain.clone();
        let connection = request.conn_data::<Rc<Connection>>().map(Rc::clone);
        if let Some(connection) = &connection {
            request.extensions_mut().insert(Arrived(connection.begin()));
        }
        let response = service.call(request);
        async move {
            let mut response = response.await;
            if let Some(connection) = connection {
                connection.finish();
            }
            // The client's next request then finds another server; a request that is not answered must not find us.
            if let Ok(response) = &mut response
                && drain.has_begun()
            {
                let head = response.response_mut().head_mut();
                head.set_connection_type(ConnectionType::Close);
            }
            response
        }
    })
}

/// When the first byte of a request arrived.
struct Arrived(Instant);

impl Context {
    async fn serve(&self, gate: Gate, request: &HttpRequest, mut payload: web::Payload) -> HttpResponse {
        let arrived = request
            .extensions()
            .get()
            .map_or_else(Instant::now, |Arrived(instant)| *instant);
        let _in_flight = self.metrics.in_flight();
        if let Some(refusal) = guard(request) {
            return self.refuse(gate, refusal, arrived, payload);
        }
        if !self.admit(gate, request) {
            let (answer, record) = self
                .decide
                .refuse(gate, &EnvelopeHint::default(), &Failure::Caller);
            record::write(&record, arrived.elapsed(), &self.metrics);
            return reply::refuse(answer, payload);
        }
        let deadline = arrived + deadline::allowance(request.query_string(), self.deadline);
        let connection = request.conn_data::<Rc<Connection>>().map(Rc::as_ref);
        let spared = matches!(gate, Gate::Authn | Gate::Authz);
        let intake = Intake {
            gate,
            crowded: !spared && connection.is_some_and(|connection| connection.seat.is_needed()),
            announced: announced(request),
            deadline,
            connection,
            limits: &self.limits,
            budget: &self.budget,
        };
        let body = match intake.read(&mut payload).await {
            Ok(body) => body,
            Err(refusal) => return self.refuse(gate, refusal, arrived, payload),
        };
        let hint = EnvelopeHint::scan(body.prefix());
        let ((answer, record), drained) = match body {
            Body::Complete(bytes) => (self.pools.review(gate, bytes, hint, deadline).await, true),
            Body::Undecided { failure, drained, .. } => (self.decide.refuse(gate, &hint, &failure), drained),
        };
        record::write(&record, arrived.elapsed(), &self.metrics);
        if drained {
            reply::answer(answer)
        } else {
            reply::refuse(answer, payload)
        }
    }

    fn admit(&self, gate: Gate, request: &HttpRequest) -> bool {
        request
            .conn_data::<Rc<Connection>>()
            .is_some_and(|connection| self.callers.admit(gate, connection))
    }

    fn refuse(&self, gate: Gate, refusal: Refusal, arrived: Instant, unread: web::Payload) -> HttpResponse {
        let (status, text) = refusal.parts();
        let record = Record {
            code: status.as_u16(),
            problem: Some(text.to_owned()),
            ..Record::new(gate, "")
        };
        record::write(&record, arrived.elapsed(), &self.metrics);
        refusal.response(unread)
    }
}

/// What the head alone refuses, the path being known.
fn guard(request: &HttpRequest) -> Option<Refusal> {
    if request.method() != Method::POST {
        return Some(Refusal::Method);
    }
    let json = request.content_type().eq_ignore_ascii_case("application/json");
    let encoded = request.headers().contains_key(header::CONTENT_ENCODING);
    (!json || encoded).then_some(Refusal::MediaType)
}

fn announced(request: &HttpRequest) -> Option<usize> {
    request
        .headers()
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}
