//! Private keys.

use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _};
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::traits::PublicKeyParts as _;
use rsa::{BigUint, RsaPrivateKey};

use super::{der, prime};
use crate::error::Fault;
use crate::exec::Exec;
use crate::funcs::{Answer, Random, text};
use crate::value::Value;

const EXPONENT: u32 = 65_537;

/// An RSA key of 2048 bits, or of 4096 for `genPrivateKey`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    Bits2048,
    Bits4096,
}

/// Draws an RSA key.
pub(super) fn rsa_key(exec: &mut Exec<'_>, size: Size) -> Result<RsaPrivateKey, Fault> {
    exec.charge(match size {
        Size::Bits2048 => 100_000,
        Size::Bits4096 => 1_000_000,
    })?;
    let failed = || Fault::new("error generating rsa key");
    // Each prime has its two highest bits set, so that the product has its full length.
    for _ in 0..8 {
        let (p, q) = draw_two(exec.random(), size);
        let bits = match size {
            Size::Bits2048 => 2048,
            Size::Bits4096 => 4096,
        };
        if p == q || (&p * &q).bits() != bits {
            continue;
        }
        if let Ok(key) = RsaPrivateKey::from_p_q(p, q, BigUint::from(EXPONENT))
            && key.validate().is_ok()
        {
            return Ok(key);
        }
    }
    Err(failed())
}

/// Draws two primes at once. Each has a source of its own, so that a seed gives the same ones whoever is faster.
fn draw_two(random: &mut Random, size: Size) -> (BigUint, BigUint) {
    let (mut first, mut second) = (random.fork(), random.fork());
    std::thread::scope(|scope| {
        let beside = std::thread::Builder::new()
            .name("prime".to_owned())
            .spawn_scoped(scope, {
                let mut first = first.fork();
                move || draw(&mut first, size)
            });
        let q = draw(&mut second, size);
        let p = match beside.map(std::thread::ScopedJoinHandle::join) {
            Ok(Ok(p)) => p,
            // There was no thread to have.
            _ => draw(&mut first, size),
        };
        (p, q)
    })
}

fn draw(random: &mut Random, size: Size) -> BigUint {
    BigUint::from_bytes_be(&match size {
        Size::Bits2048 => prime::draw::<16>(random),
        Size::Bits4096 => prime::draw::<32>(random),
    })
}

/// Writes a key as `RSA PRIVATE KEY`.
pub(super) fn rsa_pem(key: &RsaPrivateKey) -> Result<String, Fault> {
    let der = key
        .to_pkcs1_der()
        .map_err(|error| Fault::new(format!("error pem-encoding key: {error}")))?;
    Ok(der::to_pem("RSA PRIVATE KEY", der.as_bytes()))
}

/// Reads an RSA key from PEM.
pub(super) fn rsa_from_pem(pem: &str) -> Result<RsaPrivateKey, Fault> {
    let Some((kind, bytes)) = der::from_pem(pem) else {
        return Err(Fault::new("no PEM data in input"));
    };
    let read = match kind {
        "RSA PRIVATE KEY" => RsaPrivateKey::from_pkcs1_der(&bytes).map_err(|e| e.to_string()),
        "PRIVATE KEY" => RsaPrivateKey::from_pkcs8_der(&bytes).map_err(|e| e.to_string()),
        "EC PRIVATE KEY" => Err("only RSA keys are supported here".to_owned()),
        other => Err(format!("invalid private key type {other}")),
    };
    read.map_err(|error| Fault::new(format!("parsing RSA private key from PEM: {error}")))
}

/// The public key as certificates hold it.
pub(super) fn public_info(key: &RsaPrivateKey) -> Vec<u8> {
    let inner = public_key(key);
    let algorithm = der::sequence(&[
        der::oid(&[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x01]),
        der::value(0x05, &[]),
    ]);
    der::sequence(&[algorithm, der::bits(&inner)])
}

/// Modulus and exponent.
pub(super) fn public_key(key: &RsaPrivateKey) -> Vec<u8> {
    der::sequence(&[
        der::integer(&key.n().to_bytes_be()),
        der::integer(&key.e().to_bytes_be()),
    ])
}

/// `genPrivateKey`
pub(super) fn generate(exec: &mut Exec<'_>, args: &[Value]) -> Answer {
    match text(args, 0) {
        "" | "rsa" => Ok(rsa_pem(&rsa_key(exec, Size::Bits4096)?)?.into()),
        "ecdsa" => Ok(ecdsa(exec)?.into()),
        "ed25519" => {
            let mut seed = [0u8; 32];
            exec.random().fill(&mut seed);
            let inner = der::value(der::OCTETS, &seed);
            let key = der::sequence(&[
                der::integer(&[0]),
                der::sequence(&[der::oid(&[0x2B, 0x65, 0x70])]),
                der::value(der::OCTETS, &inner),
            ]);
            Ok(der::to_pem("PRIVATE KEY", &key).into())
        }
        "dsa" => {
            exec.charge(1_000_000)?;
            Ok(super::dsa::pem(exec.random()).into())
        }
        other => Ok(format!("Unknown type {other}").into()),
    }
}

fn ecdsa(exec: &mut Exec<'_>) -> Result<String, Fault> {
    for _ in 0..16 {
        let mut bytes = [0u8; 32];
        exec.random().fill(&mut bytes);
        let Ok(key) = p256::SecretKey::from_slice(&bytes) else {
            continue;
        };
        let public = p256::ecdsa::SigningKey::from(&key);
        let point = public.verifying_key().to_encoded_point(false);
        let curve = der::oid(&[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]);
        let whole = der::sequence(&[
            der::integer(&[1]),
            der::value(der::OCTETS, &bytes),
            der::value(0xA0, &curve),
            der::value(0xA1, &der::bits(point.as_bytes())),
        ]);
        return Ok(der::to_pem("EC PRIVATE KEY", &whole));
    }
    Err(Fault::new("failed to generate private key"))
}
