//! Named pipes that only this user and the system can open.

use std::ffi::OsStr;
use std::io;
use std::ptr;

use tokio::net::windows::named_pipe::{NamedPipeServer, PipeMode, ServerOptions};
use windows_sys::Win32::Foundation::LocalFree;
use windows_sys::Win32::Security::Authorization::{
    ConvertStringSecurityDescriptorToSecurityDescriptorW, SDDL_REVISION_1,
};
use windows_sys::Win32::Security::{PSECURITY_DESCRIPTOR, SECURITY_ATTRIBUTES};

/// Everything for the owner and for the system, nothing for others: without a list of its own a
/// pipe can be read by everybody on the machine.
const OWNER_AND_SYSTEM: &str = "D:P(A;;GA;;;OW)(A;;GA;;;SY)";

/// Which of the servers of one name this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instance {
    /// Nobody else may have the name.
    First,
    Next,
}

/// Makes a server that waits for one client.
///
/// # Errors
/// What the system says; for the first instance also if the name is taken.
pub fn serve(name: impl AsRef<OsStr>, instance: Instance) -> io::Result<NamedPipeServer> {
    let descriptor = Descriptor::of(OWNER_AND_SYSTEM)?;
    let mut attributes = SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).map_err(io::Error::other)?,
        lpSecurityDescriptor: descriptor.0,
        bInheritHandle: 0,
    };
    let mut options = ServerOptions::new();
    options
        .first_pipe_instance(instance == Instance::First)
        .reject_remote_clients(true)
        .pipe_mode(PipeMode::Byte);
    #[expect(unsafe_code, reason = "rights are given to the system by address only")]
    // SAFETY: the attributes and their descriptor live until the call returns.
    unsafe {
        options.create_with_security_attributes_raw(name, ptr::from_mut(&mut attributes).cast())
    }
}

/// A security descriptor in the system's memory.
struct Descriptor(PSECURITY_DESCRIPTOR);

impl Descriptor {
    fn of(text: &str) -> io::Result<Self> {
        let text: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let mut descriptor = ptr::null_mut();
        #[expect(unsafe_code, reason = "a call of the system")]
        // SAFETY: the text ends with a zero; the system gives a descriptor of its own making.
        let done = unsafe {
            ConvertStringSecurityDescriptorToSecurityDescriptorW(
                text.as_ptr(),
                SDDL_REVISION_1,
                &raw mut descriptor,
                ptr::null_mut(),
            )
        };
        if done == 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self(descriptor))
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "a call of the system")]
        // SAFETY: it was allocated by the system for us and is used no more.
        unsafe {
            LocalFree(self.0);
        }
    }
}
