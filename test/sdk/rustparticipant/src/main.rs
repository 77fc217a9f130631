//! One participant built on the LiveKit SDK for Rust, as it is shipped compiled: in
//! liblivekit_ffi, which has the crate livekit inside.
//!
//! Like pyparticipant, it joins a room, tells every SDK event as a JSON line on standard
//! output, and carries out commands that it reads as JSON lines from standard input. It
//! leaves when its standard input ends. With the argument version it says which
//! livekit-ffi the library is, and ends.

mod events;
mod ffi;
mod participant;
mod sound;

use std::sync::mpsc;
use std::time::Duration;
use std::{env, io, process, thread};

use ffi::Ffi;
use participant::Participant;
use protocol::FfiEvent;
use serde_json::Value;

/// What the one thread that owns the participant has to do.
enum Input {
    Heard(FfiEvent),
    Command(Value),
    End,
}

fn main() {
    if let Err(error) = run() {
        eprintln!("rustparticipant: {error}");
        process::exit(1);
    }
}

fn run() -> Result<(), String> {
    let ffi = Ffi::load(env!("LIVEKIT_FFI"))?;
    if env::args().nth(1).as_deref() == Some("version") {
        println!("{}", ffi.version()?);
        return Ok(());
    }
    let (inputs, queue) = mpsc::channel();
    let heard = inputs.clone();
    ffi.initialize(move |event| {
        let _ = heard.send(Input::Heard(event)); // we may be ending
    })?;
    thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            let command = serde_json::from_str(&line).unwrap_or(Value::Null); // answered as an unknown one
            if inputs.send(Input::Command(command)).is_err() {
                return;
            }
        }
        let _ = inputs.send(Input::End);
    });

    let mut participant = Participant::new(ffi);
    for input in &queue {
        match input {
            Input::Heard(event) => participant.hear(event),
            Input::Command(command) => participant.obey(&command),
            Input::End => break,
        }
    }
    if participant.leave()? {
        while let Ok(input) = queue.recv_timeout(Duration::from_secs(5)) {
            if let Input::Heard(event) = input {
                participant.hear(event);
            }
            if participant.left() {
                break;
            }
        }
    }
    drop(participant);
    ffi.dispose();
    Ok(())
}
