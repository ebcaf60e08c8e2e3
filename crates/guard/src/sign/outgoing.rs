use std::time::SystemTime;

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use secrecy::ExposeSecret;

use crate::bucket::Credentials;
use crate::error::BucketError;

/// Adds the headers that sign this request, payload not included, exactly as its URL is spelled.
pub(crate) fn add_signature(
    credentials: &Credentials,
    region: &str,
    at: SystemTime,
    (method, url): (&Method, &str),
    headers: &mut HeaderMap,
) -> Result<(), BucketError> {
    let unsignable = |reason: String| BucketError::Malformed {
        reason: format!("the request cannot be signed: {reason}"),
    };
    let identity = aws_credential_types::Credentials::new(
        &credentials.access_key,
        credentials.secret_key.expose_secret(),
        None,
        None,
        "guard",
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(at)
        .settings(settings)
        .build()
        .map_err(|error| unsignable(error.to_string()))?
        .into();
    let mut signed = Vec::with_capacity(headers.len());
    for (name, value) in headers.iter() {
        let value = value
            .to_str()
            .map_err(|_| unsignable(format!("the header {name} is not text")))?;
        signed.push((name.as_str(), value));
    }
    let request = SignableRequest::new(
        method.as_str(),
        url,
        signed.into_iter(),
        SignableBody::UnsignedPayload,
    )
    .map_err(|error| unsignable(error.to_string()))?;
    let (instructions, _) = sign(request, &params)
        .map_err(|error| unsignable(error.to_string()))?
        .into_parts();
    for header in instructions.into_parts().0 {
        let mut value =
            HeaderValue::from_str(header.value()).map_err(|error| unsignable(error.to_string()))?;
        value.set_sensitive(header.sensitive());
        headers.insert(HeaderName::from_static(header.name()), value);
    }
    Ok(())
}
