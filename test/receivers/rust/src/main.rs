//! Verifies the vectors in the file that is the first argument with the
//! WebhookReceiver of livekit-api.

use std::{env, error::Error, fs};

use base64::{Engine, engine::general_purpose::STANDARD};
use livekit_api::{access_token::TokenVerifier, webhooks::WebhookReceiver};
use serde_json::{Value, json};

fn main() -> Result<(), Box<dyn Error>> {
    let verifier = TokenVerifier::with_api_key(&env::var("API_KEY")?, &env::var("API_SECRET")?);
    let receiver = WebhookReceiver::new(verifier);
    let path = env::args().nth(1).ok_or("want a file of vectors")?;
    for line in fs::read_to_string(path)?.lines() {
        let vector: Value = serde_json::from_str(line)?;
        let body = STANDARD.decode(vector["body"].as_str().ok_or("a vector without body")?)?;
        let token = vector["headers"]["authorization"].as_str().unwrap_or("");
        let said = match receiver.receive(&String::from_utf8(body)?, token) {
            Ok(event) => json!({"name": vector["name"], "accepted": true, "event": event.event, "id": event.id}),
            Err(error) => json!({"name": vector["name"], "accepted": false, "error": error.to_string()}),
        };
        println!("{said}");
    }
    Ok(())
}
