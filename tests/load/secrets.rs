//! Secrets in many requests at the most talkative level: none is printed.

use std::thread;

use crate::canaries::{CANARY, Materials, assert_silent, request, reviews, serving};
use crate::either;
use crate::reviews::KINDS;

crate::cases![no_secret_of_many_requests_is_printed];

const CONNECTIONS: usize = 8;

fn no_secret_of_many_requests_is_printed() {
    let materials = Materials::make();
    let mut process = serving("trace", "json", &materials);
    let requests = either(1_000, 100_000);
    // Large and slow ones say nothing more when they are repeated.
    let all: Vec<_> = KINDS
        .iter()
        .flat_map(|kind| reviews(kind).into_iter().map(|body| request(kind, &body)))
        .filter(|request| request.len() < 20_000)
        .collect();
    thread::scope(|scope| {
        for connection in 0..CONNECTIONS {
            let mut client = materials.connect(&process);
            let all = &all;
            scope.spawn(move || {
                for number in 0..requests / CONNECTIONS {
                    client.send(&all[(connection + number * CONNECTIONS) % all.len()]);
                    let response = client.response();
                    assert!(matches!(response.status, 200 | 400 | 503), "{response:?}");
                    assert!(!response.body.contains(CANARY), "{}", response.body);
                }
            });
        }
    });
    assert_silent("metrics", &process.probe("/metrics").1, &materials);
    process.signal("TERM");
    assert!(process.ended().0.success());
    let mut decisions = 0;
    for line in process.log().lines() {
        decisions += usize::from(line.contains("regate::decision"));
        assert_silent("the log", line, &materials);
    }
    assert!(decisions >= requests, "{decisions}");
}
