//! The C interface of liblivekit_ffi: a request is answered at once, and all else
//! comes by a callback, from threads of the library.

use std::ffi::{CStr, CString, OsStr, c_char, c_void};
use std::sync::OnceLock;
use std::{ptr, slice};

use libloading::Library;
use prost::Message;
use protocol::{FfiEvent, FfiRequest, FfiResponse, ffi_request, ffi_response};

type Callback = extern "C" fn(*const u8, usize);
type Initialize = unsafe extern "C" fn(Callback, bool, *const c_char, *const c_char);
type Request = unsafe extern "C" fn(*const u8, usize, *mut *const u8, *mut usize) -> u64;
type DropHandle = unsafe extern "C" fn(u64) -> bool;
type Dispose = unsafe extern "C" fn();

// As UniFFI, which that one function is made with, passes strings and says how it went.
#[repr(C)]
struct Buffer {
    capacity: u64,
    len: u64,
    data: *mut u8,
}
#[repr(C)]
struct Status {
    code: i8,
    error: Buffer,
}
type BuildVersion = unsafe extern "C" fn(*mut Status) -> Buffer;

// The callback has no argument of ours.
static HEARD: OnceLock<Box<dyn Fn(FfiEvent) + Send + Sync>> = OnceLock::new();

extern "C" fn callback(data: *const u8, len: usize) {
    let event = FfiEvent::decode(unsafe { slice::from_raw_parts(data, len) });
    // A panic may not go through C, and what cannot be read is a bug of the build.
    match event {
        Ok(event) => HEARD.get().unwrap()(event),
        Err(error) => eprintln!("an event of the library: {error}"),
    }
}

/// The library, which stays loaded.
#[derive(Clone, Copy)]
pub struct Ffi {
    library: &'static Library,
    request: Request,
    drop_handle: DropHandle,
}

impl Ffi {
    pub fn load(path: impl AsRef<OsStr>) -> Result<Ffi, String> {
        let library = unsafe { Library::new(path) }.map_err(|error| error.to_string())?;
        let library: &'static Library = Box::leak(Box::new(library));
        Ok(Ffi {
            library,
            request: symbol(library, c"livekit_ffi_request")?,
            drop_handle: symbol(library, c"livekit_ffi_drop_handle")?,
        })
    }

    /// Which version of livekit-ffi the library is.
    pub fn version(&self) -> Result<String, String> {
        let build_version: BuildVersion = symbol(self.library, c"uniffi_livekit_ffi_fn_func_build_version")?;
        let mut status = Status { code: 0, error: Buffer { capacity: 0, len: 0, data: ptr::null_mut() } };
        let text = unsafe { build_version(&mut status) }; // it is asked once, and may be left
        if status.code != 0 {
            return Err(format!("the library does not know its version: {}", status.code));
        }
        let text = unsafe { slice::from_raw_parts(text.data, text.len as usize) };
        String::from_utf8(text.to_vec()).map_err(|error| error.to_string())
    }

    /// Has heard told of all that the library says from now on. It calls itself what the
    /// crate livekit does by itself, for a server to know it for what it is.
    pub fn initialize(&self, heard: impl Fn(FfiEvent) + Send + Sync + 'static) -> Result<(), String> {
        HEARD.set(Box::new(heard)).map_err(|_| "initialized already")?;
        let initialize: Initialize = symbol(self.library, c"livekit_ffi_initialize")?;
        let version = CString::new(self.version()?).map_err(|error| error.to_string())?;
        let logs = false; // to standard error, if RUST_LOG wants any
        unsafe { initialize(callback, logs, c"rust".as_ptr(), version.as_ptr()) };
        Ok(())
    }

    /// Ends all that the library has going on.
    pub fn dispose(&self) {
        if let Ok(dispose) = symbol::<Dispose>(self.library, c"livekit_ffi_dispose") {
            unsafe { dispose() };
        }
    }

    pub fn request(&self, message: ffi_request::Message) -> Result<ffi_response::Message, String> {
        let request = FfiRequest { message: Some(message) }.encode_to_vec();
        let (mut data, mut len) = (ptr::null(), 0);
        let handle = unsafe { (self.request)(request.as_ptr(), request.len(), &mut data, &mut len) };
        if handle == 0 {
            return Err("the library refuses the request".into());
        }
        let _answer = self.handle(handle); // what owns the bytes
        let response = FfiResponse::decode(unsafe { slice::from_raw_parts(data, len) });
        response.map_err(|error| error.to_string())?.message.ok_or("the library answers with nothing".into())
    }

    /// Takes over what the library gives us.
    pub fn handle(&self, id: u64) -> Handle {
        Handle { id, drop_handle: self.drop_handle }
    }
}

/// Sends a request and gives its answer, which has the same name.
#[macro_export]
macro_rules! ask {
    ($ffi:expr, $name:ident($request:expr)) => {
        match $ffi.request(protocol::ffi_request::Message::$name($request)) {
            Ok(protocol::ffi_response::Message::$name(answer)) => Ok(answer),
            Ok(other) => Err(format!("the library answers with {other:?}")),
            Err(error) => Err(error),
        }
    };
}

/// Something in the library, which is let go of with this.
pub struct Handle {
    pub id: u64,
    drop_handle: DropHandle,
}

impl Drop for Handle {
    fn drop(&mut self) {
        unsafe { (self.drop_handle)(self.id) };
    }
}

fn symbol<T: Copy>(library: &'static Library, name: &CStr) -> Result<T, String> {
    const { assert!(size_of::<T>() == size_of::<*const c_void>()) };
    unsafe { library.get::<T>(name.to_bytes_with_nul()) }.map(|symbol| *symbol).map_err(|error| error.to_string())
}
