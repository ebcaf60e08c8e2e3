//! The XML of S3: read from the bucket, written for clients.

mod incoming;
mod outgoing;
mod page;
mod versions;

pub(crate) use incoming::{
    UpstreamPage, parse_complete, parse_delete, parse_error, parse_page, parse_upload_id,
    parse_written,
};
pub(crate) use outgoing::{
    complete_result, copy_result, delete_result, error, initiate_result, list_result, location,
};
pub(crate) use page::{ListQuery, ListVersion, Naming, Page, page};
pub(crate) use versions::parse_versions;
