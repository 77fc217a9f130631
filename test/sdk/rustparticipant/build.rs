//! Generates the library's protocol from what the SDK for Python has of it; see
//! protocol.py. ROLLCALL_AGENT_PYTHON is the Python that has that SDK.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use prost::Message;
use prost_types::FileDescriptorSet;

fn main() {
    let python = env::var("ROLLCALL_AGENT_PYTHON")
        .expect("ROLLCALL_AGENT_PYTHON is to be a Python with the packages of test/sdk/agent/requirements.txt");
    let set = Path::new(&env::var("OUT_DIR").unwrap()).join("protocol.bin");
    let told = Command::new(&python).arg("protocol.py").arg(&set).output();
    let told = told.unwrap_or_else(|error| panic!("{python}: {error}"));
    assert!(told.status.success(), "{python} protocol.py: {}", String::from_utf8_lossy(&told.stderr));
    let library = String::from_utf8(told.stdout).unwrap();
    let library = library.trim();

    let files = FileDescriptorSet::decode(fs::read(&set).unwrap().as_slice()).unwrap();
    prost_build::Config::new().compile_fds(files).unwrap();

    println!("cargo::rustc-env=LIVEKIT_FFI={library}");
    println!("cargo::rerun-if-env-changed=ROLLCALL_AGENT_PYTHON");
    for file in ["build.rs", "protocol.py", "../agent/requirements.txt", library] {
        println!("cargo::rerun-if-changed={file}");
    }
}
