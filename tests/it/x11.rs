//! What a window manager asks of a window, in the protocol of the screen: there is none here.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

const INTERN_ATOM: u8 = 16;
const SEND_EVENT: u8 = 25;
const CLIENT_MESSAGE: u8 = 33;

/// Asks a window to close, as its frame does where a person presses the cross.
pub(crate) fn close(display: &str, window: u32) {
    let number = display.trim_start_matches(':');
    let mut screen = UnixStream::connect(format!("/tmp/.X11-unix/X{number}")).unwrap();
    // Little-endian, version 11.0, nothing to prove who asks.
    let hello = [b'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    screen.write_all(&hello).unwrap();
    let head: [u8; 8] = read(&mut screen);
    assert_eq!(head[0], 1, "the screen lets us in");
    let length = 4 * usize::from(u16::from_le_bytes([head[6], head[7]]));
    screen.read_exact(&mut vec![0; length]).unwrap();

    let [protocols, delete] =
        ["WM_PROTOCOLS", "WM_DELETE_WINDOW"].map(|name| atom(&mut screen, name));
    let mut asked = vec![SEND_EVENT, 0, 11, 0];
    asked.extend(window.to_le_bytes());
    asked.extend([0; 4]);
    asked.extend([CLIENT_MESSAGE, 32, 0, 0]);
    for word in [window, protocols, delete, 0, 0, 0, 0] {
        asked.extend(word.to_le_bytes());
    }
    screen.write_all(&asked).unwrap();
    // An answer to this comes after the screen has passed on what was asked.
    atom(&mut screen, "WM_PROTOCOLS");
}

fn atom(screen: &mut UnixStream, name: &str) -> u32 {
    let padded = name.len().next_multiple_of(4);
    let words = u16::try_from(2 + padded / 4).unwrap().to_le_bytes();
    let length = u16::try_from(name.len()).unwrap().to_le_bytes();
    let mut asked = vec![
        INTERN_ATOM,
        0,
        words[0],
        words[1],
        length[0],
        length[1],
        0,
        0,
    ];
    asked.extend(name.bytes());
    asked.resize(8 + padded, 0);
    screen.write_all(&asked).unwrap();
    let answer: [u8; 32] = read(screen);
    assert_eq!(answer[0], 1, "the screen knows {name}");
    u32::from_le_bytes([answer[8], answer[9], answer[10], answer[11]])
}

fn read<const N: usize>(screen: &mut UnixStream) -> [u8; N] {
    let mut bytes = [0; N];
    screen.read_exact(&mut bytes).unwrap();
    bytes
}
