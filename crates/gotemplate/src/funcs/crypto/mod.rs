//! Passwords, ciphers, keys and certificates.

mod cert;
mod der;
mod dsa;
mod key;
mod prime;

use std::collections::HashMap;

use aes::Aes256;
use aes::cipher::{Array, BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use driftless_core::Secret;
use hmac::{Hmac, Mac as _};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::{Answer, func, int, text};
use crate::error::Fault;
use crate::exec::Exec;
use crate::registry::{Func, Ty};
use crate::value::{Str, Value};

const CERT: Ty = Ty::Named("sprig.certificate");

pub(super) const FUNCS: &[Func] = &[
    func("bcrypt", &[Ty::Str], |exec, args| {
        Ok(hash(exec, text(args, 0))?.into())
    }),
    func("htpasswd", &[Ty::Str, Ty::Str], |exec, args| {
        if text(args, 0).contains(':') {
            return Ok(format!("invalid username: {}", text(args, 0)).into());
        }
        let hashed = hash(exec, text(args, 1))?;
        Ok(format!("{}:{hashed}", text(args, 0)).into())
    }),
    func(
        "derivePassword",
        &[Ty::Int, Ty::Str, Ty::Str, Ty::Str, Ty::Str],
        derive_password,
    ),
    func("encryptAES", &[Ty::Str, Ty::Str], encrypt),
    func("decryptAES", &[Ty::Str, Ty::Str], decrypt),
    func("genPrivateKey", &[Ty::Str], key::generate),
    func("genCA", &[Ty::Str, Ty::Int], cert::authority),
    func(
        "genCAWithKey",
        &[Ty::Str, Ty::Int, Ty::Str],
        cert::authority,
    ),
    func(
        "genSelfSignedCert",
        &[Ty::Str, Ty::List, Ty::List, Ty::Int],
        cert::self_signed,
    ),
    func(
        "genSelfSignedCertWithKey",
        &[Ty::Str, Ty::List, Ty::List, Ty::Int, Ty::Str],
        cert::self_signed,
    ),
    func(
        "genSignedCert",
        &[Ty::Str, Ty::List, Ty::List, Ty::Int, CERT],
        cert::signed,
    ),
    func(
        "genSignedCertWithKey",
        &[Ty::Str, Ty::List, Ty::List, Ty::Int, CERT, Ty::Str],
        cert::signed,
    ),
    func("buildCustomCert", &[Ty::Str, Ty::Str], cert::custom),
];

fn hash(exec: &mut Exec<'_>, password: &str) -> Result<String, Fault> {
    exec.charge(HASH_STEPS)?;
    let mut salt = [0u8; 16];
    exec.random().fill(&mut salt);
    let parts = bcrypt::hash_with_salt(crate::bytes::of_text(password), 10, salt)
        .map_err(|error| Fault::new(format!("failed to encrypt string with bcrypt: {error}")))?;
    Ok(parts.format_for_version(bcrypt::Version::TwoA))
}

/// What a password's hash costs in steps.
const HASH_STEPS: u64 = 500_000;

/// Keys that were derived lately, by the hash of what they come from: each takes a tenth of a second.
#[derive(Default)]
pub(crate) struct DerivedKeys(Mutex<HashMap<[u8; 32], Secret<[u8; 64]>>>);

/// How many keys are remembered.
const MAX_DERIVED: usize = 64;

impl DerivedKeys {
    fn of(&self, password: &str, user: &str) -> Result<[u8; 64], Fault> {
        let name = Sha256::new()
            .chain_update((password.len() as u64).to_le_bytes())
            .chain_update(password)
            .chain_update(user)
            .finalize()
            .into();
        if let Some(known) = self.0.lock().get(&name) {
            return Ok(*known.expose());
        }
        let failed = |error: &dyn std::fmt::Display| {
            Fault::new(format!("failed to derive password: {error}"))
        };
        let mut salt = SEED.to_vec();
        salt.extend_from_slice(&(user.len() as u32).to_be_bytes());
        salt.extend_from_slice(user.as_bytes());
        let params = scrypt::Params::new(15, 8, 2).map_err(|error| failed(&error))?;
        let mut derived = [0u8; 64];
        scrypt::scrypt(password.as_bytes(), &salt, &params, &mut derived)
            .map_err(|error| failed(&error))?;
        let mut known = self.0.lock();
        if known.len() >= MAX_DERIVED {
            known.clear();
        }
        known.insert(name, Secret::new(derived));
        Ok(derived)
    }
}

const SEED: &[u8] = b"com.lyndir.masterpassword";

fn templates(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

fn characters(class: char) -> &'static [u8] {
    match class {
        'V' => b"AEIOU",
        'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        'v' => b"aeiou",
        'c' => b"bcdfghjklmnpqrstvwxyz",
        'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        'n' => b"0123456789",
        'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

fn derive_password(exec: &mut Exec<'_>, args: &[Value]) -> Answer {
    exec.charge(HASH_STEPS)?;
    let derived = exec.registry().derived();
    let (kind, password, user, site) = (text(args, 1), text(args, 2), text(args, 3), text(args, 4));
    let Some(templates) = templates(kind) else {
        return Ok(format!("cannot find password template {kind}").into());
    };
    let failed =
        |error: &dyn std::fmt::Display| Fault::new(format!("failed to derive password: {error}"));
    let derived = derived.of(password, user)?;
    let mut message = SEED.to_vec();
    message.extend_from_slice(&(site.len() as u32).to_be_bytes());
    message.extend_from_slice(site.as_bytes());
    message.extend_from_slice(&(int(args, 0) as u32).to_be_bytes());
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&derived[..])
        .map_err(|error| failed(&error))?;
    mac.update(&message);
    let seed = mac.finalize().into_bytes();
    let mut bytes = seed.iter().map(|byte| usize::from(*byte));
    let choice = bytes.next().unwrap_or_default() % templates.len();
    let template = templates.get(choice).copied().unwrap_or_default();
    let out: String = template
        .chars()
        .zip(bytes)
        .filter_map(|(class, byte)| {
            let all = characters(class);
            all.get(byte % all.len()).map(|byte| char::from(*byte))
        })
        .collect();
    Ok(out.into())
}

const BLOCK: usize = 16;

fn cipher(password: &str) -> Aes256 {
    let mut key = [0u8; 32];
    for (slot, byte) in key.iter_mut().zip(crate::bytes::of_text(password).iter()) {
        *slot = *byte;
    }
    Aes256::new(&Array::from(key))
}

fn encrypt(exec: &mut Exec<'_>, args: &[Value]) -> Answer {
    if text(args, 1).is_empty() {
        return Ok(Value::str(""));
    }
    let cipher = cipher(text(args, 0));
    let mut content = crate::bytes::of_text(text(args, 1)).into_owned();
    let padding = BLOCK - content.len() % BLOCK;
    content.extend(std::iter::repeat_n(padding as u8, padding));
    let mut previous = [0u8; BLOCK];
    exec.random().fill(&mut previous);
    let mut out = previous.to_vec();
    for chunk in content.chunks(BLOCK) {
        let mut block = previous;
        for (slot, byte) in block.iter_mut().zip(chunk) {
            *slot ^= *byte;
        }
        let mut encrypted = Array::from(block);
        cipher.encrypt_block(&mut encrypted);
        previous = encrypted.into();
        out.extend_from_slice(&previous);
    }
    Ok(STANDARD.encode(out).into())
}

fn decrypt(_: &mut Exec<'_>, args: &[Value]) -> Answer {
    if text(args, 1).is_empty() {
        return Ok(Value::str(""));
    }
    let crypt = STANDARD.decode(text(args, 1)).map_err(|_| {
        let at = super::encode::bad_base64(text(args, 1).as_bytes());
        Fault::new(format!("illegal base64 data at input byte {at}"))
    })?;
    if crypt.len() < 2 * BLOCK || crypt.len() % BLOCK != 0 {
        return Err(Fault::new("crypto/cipher: input not full blocks"));
    }
    let cipher = cipher(text(args, 0));
    let mut out = Vec::with_capacity(crypt.len());
    let (blocks, _) = crypt.as_chunks::<BLOCK>();
    for pair in blocks.windows(2) {
        let [previous, current] = pair else { break };
        let mut block = Array::from(*current);
        cipher.decrypt_block(&mut block);
        out.extend(block.iter().zip(previous).map(|(a, b)| a ^ b));
    }
    let padding = out.last().map_or(0, |byte| usize::from(*byte));
    let Some(kept) = out.len().checked_sub(padding) else {
        return Err(Fault::new("runtime error: slice bounds out of range"));
    };
    out.truncate(kept);
    Ok(Value::Str(Str::from(crate::bytes::to_text(&out).as_ref())))
}
