use secrecy::{ExposeSecret, SecretString};

/// The name of the only remote in the configuration.
pub(crate) const REMOTE: &str = "guard";

/// rclone's configuration, to be handed over in a pipe.
///
/// `list_version` and `list_url_encode` are what makes rclone use `ListObjectsV2` with encoded
/// names; without `no_check_bucket` it may try to create the bucket. What goes up in one piece goes up
/// under its MD5, so that an object is never of two saves; S3 takes 5 GiB at once.
pub(crate) fn render(endpoint: &str, access_key: &str, secret_key: &SecretString) -> SecretString {
    let secret_key = secret_key.expose_secret();
    SecretString::from(format!(
        "[{REMOTE}]\n\
         type = s3\n\
         provider = Other\n\
         endpoint = {endpoint}\n\
         region = us-east-1\n\
         force_path_style = true\n\
         access_key_id = {access_key}\n\
         secret_access_key = {secret_key}\n\
         no_check_bucket = true\n\
         list_version = 2\n\
         list_url_encode = true\n\
         upload_cutoff = 5Gi\n"
    ))
}
