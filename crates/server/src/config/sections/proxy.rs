use super::super::reader::Reader;
use crate::proxy::ProxySettings;

const KIB: u64 = 1024;

pub(super) fn read(reader: &mut Reader<'_>) -> Option<ProxySettings> {
    let connect = reader.seconds("proxy.connect_s", 1..=60);
    let answer = reader.seconds("proxy.answer_s", 1..=3600);
    let request_idle = reader.seconds("proxy.request_idle_s", 1..=3600);
    let answer_idle = reader.seconds("proxy.answer_idle_s", 1..=86_400);
    let max_request_mib = reader.number("proxy.max_request_mib", 1..=1_048_576);
    // What is signed is held in memory, once for every request under way.
    let signed_body_kib = reader.number("proxy.signed_body_kib", 0..=16_384);
    let under_way = reader.number("proxy.under_way_per_tenant", 1..=1_000_000);
    Some(ProxySettings {
        connect: connect?,
        answer: answer?,
        request_idle: request_idle?,
        answer_idle: answer_idle?,
        max_request_bytes: max_request_mib? * KIB * KIB,
        signed_body_bytes: signed_body_kib? * KIB,
        under_way_per_tenant: usize::try_from(under_way?).ok()?,
    })
}
