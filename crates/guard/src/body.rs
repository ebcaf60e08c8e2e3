use std::fs::File;
use std::io::{Read, Seek};

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;
use md5::{Digest, Md5};
use tokio_util::io::ReaderStream;

use crate::error::BucketError;
use crate::object::Object;

const CHUNK: usize = 64 * 1024;

/// What is uploaded.
#[derive(Debug)]
pub enum Body {
    Bytes(Bytes),
    /// A file opened for reading. It is read twice, from its start: for its MD5, then to send it. If it changes between
    /// the two, the store refuses it.
    File(File),
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<File> for Body {
    fn from(file: File) -> Self {
        Self::File(file)
    }
}

pub(crate) struct Prepared {
    pub(crate) md5: [u8; 16],
    pub(crate) size: u64,
    pub(crate) body: reqwest::Body,
}

impl Body {
    pub(crate) async fn prepare(self) -> Result<Prepared, BucketError> {
        match self {
            Self::Bytes(bytes) => Ok(Prepared {
                md5: Md5::digest(&bytes).into(),
                size: bytes.len() as u64,
                body: bytes.into(),
            }),
            Self::File(file) => {
                let hashed = tokio::task::spawn_blocking(move || hash(file)).await;
                let (file, md5, size) = hashed
                    .map_err(std::io::Error::other)
                    .and_then(|result| result)
                    .map_err(|source| BucketError::LocalBody { source })?;
                let file = tokio::fs::File::from_std(file);
                let stream = ReaderStream::with_capacity(file, CHUNK);
                let body = reqwest::Body::wrap_stream(stream);
                Ok(Prepared { md5, size, body })
            }
        }
    }
}

fn hash(mut file: File) -> std::io::Result<(File, [u8; 16], u64)> {
    file.rewind()?;
    let mut hasher = Md5::new();
    let mut size = 0;
    let mut buffer = vec![0; CHUNK];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
    file.rewind()?;
    Ok((file, hasher.finalize().into(), size))
}

/// An object on its way down: what the store says of it, and its bytes. The stream fails if the bytes end early.
pub struct Download {
    pub object: Object,
    pub stream: BoxStream<'static, Result<Bytes, BucketError>>,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("object", &self.object)
            .finish_non_exhaustive()
    }
}

impl Download {
    /// Reads the whole object into memory.
    ///
    /// # Errors
    /// When the connection breaks, or the object is larger than `limit` bytes.
    pub async fn into_bytes(mut self, limit: u64) -> Result<Bytes, BucketError> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.stream.next().await {
            let chunk = chunk?;
            if (all.len() + chunk.len()) as u64 > limit {
                return Err(BucketError::Malformed {
                    reason: format!("the object is larger than {limit} bytes"),
                });
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }
}
