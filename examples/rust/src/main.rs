//! Receives webhooks with tiny_http.

use std::{env, error::Error, io::Read};

use livekit_api::{access_token::TokenVerifier, webhooks::WebhookReceiver};
use tiny_http::{Method, Request, Response, Server};

fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let or = |name: &str, otherwise: &str| env::var(name).unwrap_or_else(|_| otherwise.into());
    let verifier = TokenVerifier::with_api_key(&or("API_KEY", "devkey"), &or("API_SECRET", "secret"));
    let receiver = WebhookReceiver::new(verifier);
    let address = format!("localhost:{}", or("PORT", "3000"));
    let server = Server::http(&address)?;
    println!("receiving at http://{address}/webhook");

    for mut request in server.incoming_requests() {
        let (status, said) = match (request.method(), request.url()) {
            (Method::Post, "/webhook") => receive(&receiver, &mut request),
            _ => (404, String::new()),
        };
        // A server that is gone sends the event again.
        let _ = request.respond(Response::from_string(said).with_status_code(status));
    }
    Ok(())
}

fn receive(receiver: &WebhookReceiver, request: &mut Request) -> (u16, String) {
    let header = |name: &'static str| {
        let found = request.headers().iter().find(|h| h.field.equiv(name));
        found.map(|h| h.value.to_string()).unwrap_or_default()
    };
    let (token, seq) = (header("Authorization"), header("Rollcall-Seq"));
    // The body has to stay as it was sent: what is parsed and written again has another digest.
    let mut body = String::new();
    if let Err(error) = request.as_reader().take(16 << 20).read_to_string(&mut body) {
        return (400, error.to_string());
    }
    match receiver.receive(&body, &token) {
        Ok(event) => {
            let room = event.room.map(|room| room.name).unwrap_or_default();
            let who = event.participant.map(|participant| participant.identity).unwrap_or_default();
            println!("{seq} {} {room} {who}", event.event);
            (204, String::new())
        }
        Err(error) => (401, error.to_string()),
    }
}
