use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use md5::{Digest, Md5};
use sha2::Sha256;

use crate::sign::incoming::Payload;

/// How far a body has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passed {
    Nothing,
    Some,
    /// With its MD5.
    All([u8; 16]),
}

/// Tells how far a body has passed, while another task sends it.
#[derive(Clone)]
pub(crate) struct Progress(Arc<Mutex<Passed>>);

impl Progress {
    pub(crate) fn get(&self) -> Passed {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, passed: Passed) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = passed;
    }
}

/// A client's body on its way to the bucket: counted, hashed, and never longer, shorter or other than announced. Where
/// its hash is signed, the last piece is held back until the whole is known to be right.
pub(crate) struct Metered<B = Incoming> {
    inner: B,
    md5: Md5,
    sha256: Option<(Sha256, [u8; 32])>,
    seen: u64,
    announced: u64,
    held: Option<Bytes>,
    checked: bool,
    progress: Progress,
}

impl<B> Metered<B> {
    pub(crate) fn new(inner: B, announced: u64, payload: Payload) -> (Self, Progress) {
        let nothing = if announced == 0 {
            Passed::All(Md5::digest([]).into())
        } else {
            Passed::Nothing
        };
        let progress = Progress(Arc::new(Mutex::new(nothing)));
        let sha256 = match payload {
            Payload::Unsigned => None,
            Payload::Sha256(expected) => Some((Sha256::new(), expected)),
        };
        let metered = Self {
            inner,
            md5: Md5::new(),
            sha256,
            seen: 0,
            announced,
            held: None,
            checked: false,
            progress: progress.clone(),
        };
        (metered, progress)
    }

    fn take(&mut self, data: Bytes) -> Result<Option<Bytes>, std::io::Error> {
        let wrong = |reason: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, reason);
        self.seen += data.len() as u64;
        if self.seen > self.announced {
            return Err(wrong("the body is longer than announced"));
        }
        self.md5.update(&data);
        self.progress.set(Passed::Some);
        let Some((sha256, expected)) = &mut self.sha256 else {
            if self.seen == self.announced {
                self.progress
                    .set(Passed::All(self.md5.clone().finalize().into()));
            }
            return Ok(Some(data));
        };
        sha256.update(&data);
        if self.seen == self.announced {
            let actual: [u8; 32] = sha256.clone().finalize().into();
            if actual != *expected {
                return Err(wrong("the body is not the one that was signed"));
            }
            self.checked = true;
            self.progress
                .set(Passed::All(self.md5.clone().finalize().into()));
        }
        Ok(self.held.replace(data))
    }
}

impl<B> Body for Metered<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        loop {
            if self.checked
                && let Some(last) = self.held.take()
            {
                return Poll::Ready(Some(Ok(Frame::data(last))));
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else {
                        continue;
                    };
                    match self.take(data) {
                        Ok(Some(ready)) => return Poll::Ready(Some(Ok(Frame::data(ready)))),
                        Ok(None) => {}
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                Some(Err(error)) => {
                    return Poll::Ready(Some(Err(std::io::Error::other(error.into()))));
                }
                None if self.seen == self.announced => return Poll::Ready(None),
                None => {
                    let error = std::io::ErrorKind::UnexpectedEof.into();
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    async fn passed(
        pieces: &[&'static str],
        announced: u64,
        payload: Payload,
    ) -> (Vec<String>, Passed, bool) {
        let frames: Vec<_> = pieces
            .iter()
            .map(|piece| Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(piece.as_bytes()))))
            .collect();
        let (mut body, progress) =
            Metered::new(StreamBody::new(stream::iter(frames)), announced, payload);
        let mut out = vec![];
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => {
                    let data = frame.into_data().unwrap();
                    out.push(String::from_utf8(data.to_vec()).unwrap());
                }
                Err(_) => return (out, progress.get(), false),
            }
        }
        (out, progress.get(), true)
    }

    fn signed(text: &str) -> Payload {
        Payload::Sha256(Sha256::digest(text).into())
    }

    #[tokio::test]
    async fn a_whole_body_passes_and_is_hashed() {
        let md5 = Passed::All(Md5::digest("abcdef").into());
        let pieces = vec!["abc".to_owned(), "def".to_owned()];
        let plain = passed(&["abc", "def"], 6, Payload::Unsigned).await;
        assert_eq!(plain, (pieces.clone(), md5, true));
        let checked = passed(&["abc", "def"], 6, signed("abcdef")).await;
        assert_eq!(checked, (pieces, md5, true));
        let empty = passed(&[], 0, Payload::Unsigned).await;
        assert_eq!(empty, (vec![], Passed::All(Md5::digest("").into()), true));
    }

    #[tokio::test]
    async fn the_last_piece_of_a_forged_body_never_leaves() {
        let forged = passed(&["abc", "dxf"], 6, signed("abcdef")).await;
        assert_eq!(forged, (vec![], Passed::Some, false));
    }

    #[tokio::test]
    async fn short_and_long_bodies_fail() {
        assert!(!passed(&["abc"], 6, Payload::Unsigned).await.2);
        assert!(!passed(&["abcdefg"], 6, Payload::Unsigned).await.2);
    }
}
