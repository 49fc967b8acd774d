//! X.509 certificates as Sprig makes them.

use std::any::Any;
use std::net::IpAddr;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::der;
use super::key::{self, Size};
use crate::error::Fault;
use crate::exec::Exec;
use crate::fmt;
use crate::funcs::{Answer, Time, arg, int, text};
use crate::object::Object;
use crate::value::{List, Value};

/// Sprig's pair of certificate and key.
struct Certificate {
    cert: String,
    key: String,
}

impl Object for Certificate {
    fn type_name(&self) -> &'static str {
        "sprig.certificate"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(Value::str(&self.cert)),
            "Key" => Some(Value::str(&self.key)),
            _ => None,
        }
    }

    fn display(&self) -> String {
        format!("{{{} {}}}", self.cert, self.key)
    }

    fn to_plain(&self) -> Value {
        Value::map([
            ("Cert", Value::str(&self.cert)),
            ("Key", Value::str(&self.key)),
        ])
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Authority,
    Leaf,
}

struct Request<'a> {
    name: &'a str,
    ips: Vec<IpAddr>,
    names: Vec<String>,
    days: i64,
    usage: Use,
}

/// Who signs: the subject of its certificate as DER, the id of its key, and the key.
struct Signer {
    subject: Vec<u8>,
    key_id: Option<Vec<u8>>,
    key: RsaPrivateKey,
}

fn list(args: &[Value], index: usize) -> Option<&List> {
    match arg(args, index) {
        Value::List(list) => Some(list),
        _ => None,
    }
}

fn request(args: &[Value]) -> Result<Request<'_>, Fault> {
    let mut ips = Vec::new();
    for ip in list(args, 1).map(List::items).unwrap_or_default() {
        let Value::Str(text) = ip else {
            let shown = fmt::to_text(ip);
            return Err(Fault::new(format!(
                "error parsing ip: {shown} is not a string"
            )));
        };
        let parsed = text
            .parse()
            .map_err(|_| Fault::new(format!("error parsing ip: {text}")))?;
        ips.push(parsed);
    }
    let mut names = Vec::new();
    for name in list(args, 2).map(List::items).unwrap_or_default() {
        let Value::Str(text) = name else {
            let shown = fmt::to_text(name);
            return Err(Fault::new(format!(
                "error processing alternate dns name: {shown} is not a string"
            )));
        };
        names.push(text.to_string());
    }
    Ok(Request {
        name: text(args, 0),
        ips,
        names,
        days: int(args, 3),
        usage: Use::Leaf,
    })
}

fn own_key(exec: &mut Exec<'_>, args: &[Value], index: usize) -> Result<RsaPrivateKey, Fault> {
    match args.get(index) {
        Some(Value::Str(pem)) => key::rsa_from_pem(pem)
            .map_err(|fault| Fault::new(format!("parsing private key: {}", fault.message))),
        _ => key::rsa_key(exec, Size::Bits2048),
    }
}

/// `genCA` and `genCAWithKey`
pub(super) fn authority(exec: &mut Exec<'_>, args: &[Value]) -> Answer {
    let key = own_key(exec, args, 2)?;
    let request = Request {
        name: text(args, 0),
        ips: Vec::new(),
        names: Vec::new(),
        days: int(args, 1),
        usage: Use::Authority,
    };
    make(exec, &request, &key, None)
}

/// `genSelfSignedCert` and `genSelfSignedCertWithKey`
pub(super) fn self_signed(exec: &mut Exec<'_>, args: &[Value]) -> Answer {
    let request = request(args)?;
    let key = own_key(exec, args, 4)?;
    make(exec, &request, &key, None)
}

/// `genSignedCert` and `genSignedCertWithKey`
pub(super) fn signed(exec: &mut Exec<'_>, args: &[Value]) -> Answer {
    let signer = match arg(args, 4) {
        Value::Object(object) => object.as_any().downcast_ref::<Certificate>(),
        _ => None,
    };
    let Some(signer) = signer else {
        return Err(Fault::new("expected a certificate authority"));
    };
    let signer = Signer::read(signer)?;
    let request = request(args)?;
    let key = own_key(exec, args, 5)?;
    make(exec, &request, &key, Some(signer))
}

/// `buildCustomCert`
pub(super) fn custom(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    let decode = |index: usize, what: &str| {
        STANDARD
            .decode(text(args, index))
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| Fault::new(format!("unable to decode base64 {what}")))
    };
    let cert = decode(0, "certificate")?;
    let key = decode(1, "private key")?;
    let Some((_, content)) = der::from_pem(&cert) else {
        return Err(Fault::new("unable to decode certificate"));
    };
    if subject_of(&content).is_none() {
        return Err(Fault::new(
            "error parsing certificate: decodedCert.Bytes: x509: malformed certificate",
        ));
    }
    match der::from_pem(&key) {
        None => Err(Fault::new(
            "error parsing private key: no PEM data in input",
        )),
        Some((kind, _)) if !kind.ends_with("PRIVATE KEY") => Err(Fault::new(format!(
            "error parsing private key: no private key data in PEM block of type {kind}"
        ))),
        Some(_) => Ok(Value::Object(Rc::new(Certificate { cert, key }))),
    }
}

/// Returns the subject of a certificate, and its key's id when it has one.
fn subject_of(cert: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let (tag, outer, _) = der::read(cert)?;
    let (_, body, _) = der::read(outer)?;
    if tag != der::SEQUENCE {
        return None;
    }
    let mut rest = body;
    // Version, serial number, algorithm, issuer, validity, subject.
    if rest.first() == Some(&0xA0) {
        rest = der::read(rest)?.2;
    }
    for _ in 0..4 {
        rest = der::read(rest)?.2;
    }
    let (tag, subject, after) = der::read(rest)?;
    let subject = der::value(tag, subject);
    let id: [u8; 5] = [0x06, 0x03, 0x55, 0x1D, 0x0E];
    let key_id = after
        .windows(id.len())
        .position(|window| window == id)
        .and_then(|at| der::read(after.get(at + id.len()..)?))
        .and_then(|(_, wrapped, _)| der::read(wrapped).map(|(_, id, _)| id.to_vec()));
    Some((subject, key_id))
}

impl Signer {
    fn read(certificate: &Certificate) -> Result<Self, Fault> {
        let Some((_, content)) = der::from_pem(&certificate.cert) else {
            return Err(Fault::new("unable to decode certificate"));
        };
        let Some((subject, key_id)) = subject_of(&content) else {
            return Err(Fault::new(
                "error parsing certificate: decodedSignerCert.Bytes: x509: malformed certificate",
            ));
        };
        let key = key::rsa_from_pem(&certificate.key)
            .map_err(|fault| Fault::new(format!("error parsing private key: {}", fault.message)))?;
        Ok(Self {
            subject,
            key_id,
            key,
        })
    }
}

fn name(common: &str) -> Vec<u8> {
    let printable = common
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(&b));
    let text = der::value(if printable { 0x13 } else { 0x0C }, common.as_bytes());
    let attribute = der::sequence(&[der::oid(&[0x55, 0x04, 0x03]), text]);
    if common.is_empty() {
        return der::sequence(&[]);
    }
    der::sequence(&[der::value(der::SET, &attribute)])
}

fn time(seconds_from_now: i64) -> Vec<u8> {
    let at = Time::from_now(seconds_from_now);
    let year = at.format("2006");
    if ("1950".."2050").contains(&year.as_str()) {
        der::value(0x17, at.format("060102150405Z").as_bytes())
    } else {
        der::value(0x18, at.format("20060102150405Z").as_bytes())
    }
}

fn extension(id: &[u8], critical: bool, content: &[u8]) -> Vec<u8> {
    let mut parts = vec![der::oid(id)];
    if critical {
        parts.push(der::value(0x01, &[0xFF]));
    }
    parts.push(der::value(der::OCTETS, content));
    der::sequence(&parts)
}

fn extensions(request: &Request<'_>, key: &RsaPrivateKey, signer: Option<&Signer>) -> Vec<u8> {
    let usage: &[u8] = match request.usage {
        Use::Authority => &[0x02, 0xA4],
        Use::Leaf => &[0x05, 0xA0],
    };
    let server: [u8; 8] = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
    let client: [u8; 8] = [0x2B, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
    let purposes = der::sequence(&[der::oid(&server), der::oid(&client)]);
    let constraints = match request.usage {
        Use::Authority => der::sequence(&[der::value(0x01, &[0xFF])]),
        Use::Leaf => der::sequence(&[]),
    };
    let mut all = vec![
        extension(&[0x55, 0x1D, 0x0F], true, &der::value(der::BITS, usage)),
        extension(&[0x55, 0x1D, 0x25], false, &purposes),
        extension(&[0x55, 0x1D, 0x13], true, &constraints),
    ];
    if request.usage == Use::Authority {
        let id = Sha1::digest(key::public_key(key));
        let id = der::value(der::OCTETS, &id);
        all.push(extension(&[0x55, 0x1D, 0x0E], false, &id));
    }
    if let Some(id) = signer.and_then(|signer| signer.key_id.as_ref()) {
        let id = der::sequence(&[der::value(0x80, id)]);
        all.push(extension(&[0x55, 0x1D, 0x23], false, &id));
    }
    if !request.ips.is_empty() || !request.names.is_empty() {
        let mut names: Vec<Vec<u8>> = request
            .names
            .iter()
            .map(|name| der::value(0x82, name.as_bytes()))
            .collect();
        names.extend(request.ips.iter().map(|ip| match ip {
            IpAddr::V4(ip) => der::value(0x87, &ip.octets()),
            IpAddr::V6(ip) => der::value(0x87, &ip.octets()),
        }));
        all.push(extension(
            &[0x55, 0x1D, 0x11],
            false,
            &der::sequence(&names),
        ));
    }
    der::value(0xA3, &der::sequence(&all))
}

fn make(
    exec: &mut Exec<'_>,
    request: &Request<'_>,
    key: &RsaPrivateKey,
    signer: Option<Signer>,
) -> Answer {
    let mut serial = [0u8; 16];
    exec.random().fill(&mut serial);
    let algorithm = der::sequence(&[
        der::oid(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0B]),
        der::value(0x05, &[]),
    ]);
    let subject = name(request.name);
    let issuer = signer
        .as_ref()
        .map_or_else(|| subject.clone(), |signer| signer.subject.clone());
    let body = der::sequence(&[
        der::value(0xA0, &der::integer(&[2])),
        der::integer(&serial),
        algorithm.clone(),
        issuer,
        der::sequence(&[time(0), time(request.days.saturating_mul(86_400))]),
        subject,
        key::public_info(key),
        extensions(request, key, signer.as_ref()),
    ]);
    let signing = signer.as_ref().map_or(key, |signer| &signer.key);
    let signature = signing
        .sign(sha256_padding(), &Sha256::digest(&body))
        .map_err(|error| Fault::new(format!("error creating certificate: {error}")))?;
    let whole = der::sequence(&[body, algorithm, der::bits(&signature)]);
    Ok(Value::Object(Rc::new(Certificate {
        cert: der::to_pem("CERTIFICATE", &whole),
        key: key::rsa_pem(key)?,
    })))
}

/// PKCS #1 v1.5 with the prefix that names SHA-256.
fn sha256_padding() -> Pkcs1v15Sign {
    let prefix = [
        0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x05, 0x00, 0x04, 0x20,
    ];
    Pkcs1v15Sign {
        hash_len: Some(32),
        prefix: Box::new(prefix),
    }
}
