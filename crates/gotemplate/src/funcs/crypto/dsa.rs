//! DSA keys (FIPS 186-4), which nobody should use any more and `genPrivateKey "dsa"` still gives: a modulus of 2048
//! bits and a group of 224, as Sprig chooses.

use rsa::BigUint;

use super::{der, prime};
use crate::funcs::Random;

/// Bytes of the modulus and of the order of the group.
const MODULUS: usize = 256;
const ORDER: usize = 28;
/// Rounds of Miller-Rabin for the order.
const ROUNDS: usize = 24;

/// Draws a key and writes it as `DSA PRIVATE KEY`: version, p, q, g, y, x.
pub(super) fn pem(random: &mut Random) -> String {
    let (p, q) = parameters(random);
    let one = BigUint::from(1u8);
    let power = (&p - &one) / &q;
    let mut base = BigUint::from(2u8);
    let generator = loop {
        let generator = base.modpow(&power, &p);
        if generator != one {
            break generator;
        }
        base += &one;
    };
    let secret = loop {
        let secret = drawn::<ORDER>(random);
        if secret >= one && secret < q {
            break secret;
        }
    };
    let public = generator.modpow(&secret, &p);
    let parts = [&p, &q, &generator, &public, &secret];
    let mut fields = vec![der::integer(&[0])];
    fields.extend(parts.iter().map(|part| der::integer(&part.to_bytes_be())));
    der::to_pem("DSA PRIVATE KEY", &der::sequence(&fields))
}

/// Draws the order `q`, and a modulus `p` with `p - 1` a multiple of `2 q`.
fn parameters(random: &mut Random) -> (BigUint, BigUint) {
    let one = BigUint::from(1u8);
    loop {
        let q = loop {
            let q = drawn::<ORDER>(random) | (&one << (8 * ORDER - 1)) | &one;
            if is_prime(&q, random) {
                break q;
            }
        };
        let double = &q << 1;
        // As many tries as make a failure unlikely; then another order.
        for _ in 0..4 * 8 * MODULUS {
            let number = drawn::<MODULUS>(random) | (&one << (8 * MODULUS - 1));
            let rest = &number % &double;
            let p = number - rest + &one;
            if p.bits() == 8 * MODULUS && prime::is_prime_of_2048_bits(&p.to_bytes_be(), random) {
                return (p, q);
            }
        }
    }
}

fn drawn<const N: usize>(random: &mut Random) -> BigUint {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    BigUint::from_bytes_be(&bytes)
}

/// Miller-Rabin for an odd number of the order's length.
fn is_prime(number: &BigUint, random: &mut Random) -> bool {
    let one = BigUint::from(1u8);
    let less = number - &one;
    let twos = less.trailing_zeros().unwrap_or(0);
    let odd = &less >> twos;
    for small in [3u8, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47] {
        if (number % small) == BigUint::from(0u8) {
            return false;
        }
    }
    (0..ROUNDS).all(|_| {
        let base = drawn::<ORDER>(random) % &less + &one;
        let mut value = base.modpow(&odd, number);
        if value == one || value == less {
            return true;
        }
        (1..twos).any(|_| {
            value = &value * &value % number;
            value == less
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primes_are_told_from_composites() {
        let mut random = Random::new(Some(5.into()));
        let power = BigUint::from(1u8) << 224;
        // 2^224 - 63 is the largest prime of 224 bits.
        assert!(is_prime(&(&power - BigUint::from(63u8)), &mut random));
        for less in [1u8, 3, 61, 65] {
            assert!(
                !is_prime(&(&power - BigUint::from(less)), &mut random),
                "{less}"
            );
        }
    }

    #[test]
    fn a_key_fits_together() {
        let text = pem(&mut Random::new(Some(9.into())));
        let (kind, bytes) = der::from_pem(&text).unwrap();
        assert_eq!(kind, "DSA PRIVATE KEY");
        let mut parts = Vec::new();
        // A sequence with a length of two bytes, then integers.
        let mut rest = &bytes[4..];
        while let [2, tail @ ..] = rest {
            let (length, start) = match tail {
                [0x82, high, low, ..] => (usize::from(*high) * 256 + usize::from(*low), 3),
                [0x81, length, ..] => (usize::from(*length), 2),
                [length, ..] => (usize::from(*length), 1),
                [] => panic!("no length"),
            };
            parts.push(BigUint::from_bytes_be(&tail[start..start + length]));
            rest = &tail[start + length..];
        }
        let [version, p, q, generator, public, secret] = parts.as_slice() else {
            panic!("{} integers", parts.len());
        };
        let one = BigUint::from(1u8);
        assert_eq!(version.bits(), 0);
        assert_eq!((p.bits(), q.bits()), (2048, 224));
        assert_eq!((p - &one) % q, BigUint::from(0u8));
        assert_eq!(generator.modpow(q, p), one);
        assert_eq!(&generator.modpow(secret, p), public);
    }
}
