//! What a window manager asks of a window, in the protocol of the screen: there is none here.

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{ClientMessageEvent, ConnectionExt as _, EventMask};

/// Asks a window to close, as its frame does where a person presses the cross.
pub(crate) fn close(display: &str, window: u32) {
    let (screen, _) = x11rb::connect(Some(display)).unwrap();
    let [protocols, delete] = [b"WM_PROTOCOLS".as_slice(), b"WM_DELETE_WINDOW"].map(|name| {
        let asked = screen.intern_atom(false, name).unwrap();
        asked.reply().unwrap().atom
    });
    let message = ClientMessageEvent::new(32, window, protocols, [delete, 0, 0, 0, 0]);
    let sent = screen.send_event(false, window, EventMask::NO_EVENT, message);
    sent.unwrap().check().unwrap();
    screen.flush().unwrap();
}
