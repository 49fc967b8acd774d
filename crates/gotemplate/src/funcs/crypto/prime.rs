//! Random primes for RSA keys: a sieve over a random start, then Miller-Rabin with Montgomery arithmetic.
//!
//! Charts draw several keys in each render, and the usual crates take hundreds of milliseconds for one, since they guard
//! against timing. Nobody can measure how long this search takes for a secret that is printed right after it.

use crate::funcs::Random;

/// Small primes below this are sieved out.
const SIEVE_LIMIT: usize = 1 << 16;
/// Odd numbers looked at from one random start.
const WINDOW: usize = 1 << 12;
/// Rounds with random bases after the one with base two: an error is less likely than 2^-100 (FIPS 186-4, table C.3).
const ROUNDS: usize = 5;
/// The public exponent, which must have no factor in common with the prime less one.
const EXPONENT: u64 = 65_537;

type Words<const N: usize> = [u64; N];

/// Draws a prime of `N` words with its two highest bits set, in big-endian bytes.
pub(super) fn draw<const N: usize>(random: &mut Random) -> Vec<u8> {
    let small = small_primes();
    loop {
        let mut start = random_words::<N>(random);
        if let Some(low) = start.first_mut() {
            *low |= 1;
        }
        if let Some(high) = start.last_mut() {
            *high |= 3 << 62;
        }
        let composite = sieve(&start, &small);
        for (index, known) in composite.iter().enumerate() {
            if *known {
                continue;
            }
            let Some(candidate) = plus(&start, 2 * index as u64) else {
                break;
            };
            if remainder(&candidate, EXPONENT) != 1 && is_prime(&candidate, random) {
                return candidate
                    .iter()
                    .rev()
                    .flat_map(|word| word.to_be_bytes())
                    .collect();
            }
        }
    }
}

fn random_words<const N: usize>(random: &mut Random) -> Words<N> {
    let mut words = [0; N];
    for word in &mut words {
        let mut bytes = [0; 8];
        random.fill(&mut bytes);
        *word = u64::from_le_bytes(bytes);
    }
    words
}

fn small_primes() -> Vec<u64> {
    let mut composite = vec![false; SIEVE_LIMIT];
    let mut primes = Vec::with_capacity(6_600);
    for number in (3..SIEVE_LIMIT).step_by(2) {
        if composite.get(number).copied().unwrap_or(true) {
            continue;
        }
        primes.push(number as u64);
        for multiple in (number * number..SIEVE_LIMIT).step_by(2 * number) {
            if let Some(place) = composite.get_mut(multiple) {
                *place = true;
            }
        }
    }
    primes
}

/// Marks which of `start`, `start + 2`, `start + 4`, … have a small factor.
fn sieve<const N: usize>(start: &Words<N>, small: &[u64]) -> Vec<bool> {
    let mut composite = vec![false; WINDOW];
    for prime in small {
        let missing = (prime - remainder(start, *prime)) % prime;
        let first = if missing.is_multiple_of(2) {
            missing / 2
        } else {
            (missing + prime) / 2
        };
        for place in composite
            .iter_mut()
            .skip(first as usize)
            .step_by(*prime as usize)
        {
            *place = true;
        }
    }
    composite
}

fn remainder<const N: usize>(number: &Words<N>, divisor: u64) -> u64 {
    let divisor = u128::from(divisor);
    let rest = number.iter().rev().fold(0u128, |rest, word| {
        ((rest << 64) | u128::from(*word)) % divisor
    });
    rest as u64
}

fn plus<const N: usize>(number: &Words<N>, add: u64) -> Option<Words<N>> {
    let mut sum = *number;
    let mut carry = add;
    for word in &mut sum {
        let (low, over) = word.overflowing_add(carry);
        *word = low;
        carry = u64::from(over);
    }
    (carry == 0).then_some(sum)
}

fn minus<const N: usize>(a: &Words<N>, b: &Words<N>) -> (Words<N>, bool) {
    let mut out = *a;
    let mut borrow = false;
    for (word, other) in out.iter_mut().zip(b) {
        let (low, first) = word.overflowing_sub(*other);
        let (low, second) = low.overflowing_sub(u64::from(borrow));
        *word = low;
        borrow = first || second;
    }
    (out, borrow)
}

/// Arithmetic modulo an odd number.
struct Modulus<const N: usize> {
    number: Words<N>,
    /// `-1 / number` modulo 2^64.
    inverse: u64,
    /// One and the number less one, in Montgomery's form.
    one: Words<N>,
    minus_one: Words<N>,
}

impl<const N: usize> Modulus<N> {
    /// The number is odd and its highest bit is set.
    fn new(number: &Words<N>) -> Self {
        let low = number.first().copied().unwrap_or(1);
        let mut inverse = low;
        for _ in 0..6 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(low.wrapping_mul(inverse)));
        }
        // 2^(64 N) less the number is its remainder, since the number is more than half of it.
        let (one, _) = minus(&[0; N], number);
        let (minus_one, _) = minus(number, &one);
        Self {
            number: *number,
            inverse: inverse.wrapping_neg(),
            one,
            minus_one,
        }
    }

    fn double(&self, number: &Words<N>) -> Words<N> {
        let mut out = *number;
        let mut carry = 0;
        for word in &mut out {
            let high = *word >> 63;
            *word = (*word << 1) | carry;
            carry = high;
        }
        let (less, borrow) = minus(&out, &self.number);
        if carry == 1 || !borrow { less } else { out }
    }

    /// Montgomery's product, word by word.
    fn multiply(&self, a: &Words<N>, b: &Words<N>) -> Words<N> {
        let mut sum = [0u64; N];
        let mut top = 0u64;
        for x in a {
            let mut carry = 0u128;
            for (place, y) in sum.iter_mut().zip(b) {
                let part = u128::from(*place) + u128::from(*x) * u128::from(*y) + carry;
                *place = part as u64;
                carry = part >> 64;
            }
            let high = u128::from(top) + carry;
            let low = sum.first().copied().unwrap_or(0);
            let factor = u128::from(low.wrapping_mul(self.inverse));
            let mut carry = 0u128;
            let mut previous: Option<usize> = None;
            for (index, word) in self.number.iter().enumerate() {
                let place = sum.get(index).copied().unwrap_or(0);
                let part = u128::from(place) + factor * u128::from(*word) + carry;
                carry = part >> 64;
                if let Some(target) = previous.and_then(|index| sum.get_mut(index)) {
                    *target = part as u64;
                }
                previous = Some(index);
            }
            let last = high + carry;
            if let Some(target) = sum.last_mut() {
                *target = last as u64;
            }
            top = (last >> 64) as u64;
        }
        let (less, borrow) = minus(&sum, &self.number);
        if top != 0 || !borrow { less } else { sum }
    }

    /// Raises a base in Montgomery's form, or two when there is none.
    fn power(&self, base: Option<&Words<N>>, exponent: &Words<N>) -> Words<N> {
        let mut value = self.one;
        for word in exponent.iter().rev() {
            for bit in (0..64).rev() {
                value = self.multiply(&value, &value);
                if (word >> bit) & 1 == 1 {
                    value = match base {
                        Some(base) => self.multiply(&value, base),
                        None => self.double(&value),
                    };
                }
            }
        }
        value
    }
}

fn is_prime<const N: usize>(number: &Words<N>, random: &mut Random) -> bool {
    let modulus = Modulus::new(number);
    let mut odd = *number;
    if let Some(low) = odd.first_mut() {
        *low &= !1;
    }
    let mut twos = 0;
    while odd.first().is_some_and(|low| low & 1 == 0) {
        let mut carry = 0;
        for word in odd.iter_mut().rev() {
            let low = *word & 1;
            *word = (*word >> 1) | (carry << 63);
            carry = low;
        }
        twos += 1;
    }
    if !is_witnessed(&modulus, None, &odd, twos) {
        return false;
    }
    (0..ROUNDS).all(|_| {
        // Any number below the modulus will do; this one is, since its highest bit is clear.
        let mut base = random_words::<N>(random);
        if let Some(high) = base.last_mut() {
            *high >>= 1;
        }
        is_witnessed(&modulus, Some(&base), &odd, twos)
    })
}

/// One round of Miller-Rabin; `true` for what may be a prime.
fn is_witnessed<const N: usize>(
    modulus: &Modulus<N>,
    base: Option<&Words<N>>,
    odd: &Words<N>,
    twos: u32,
) -> bool {
    let mut value = modulus.power(base, odd);
    if value == modulus.one || value == modulus.minus_one {
        return true;
    }
    for _ in 1..twos {
        value = modulus.multiply(&value, &value);
        if value == modulus.minus_one {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_prime_128(number: u128) -> bool {
        let words = [number as u64, (number >> 64) as u64];
        is_prime(&words, &mut Random::new(Some(7)))
    }

    #[test]
    fn primes_are_told_from_composites() {
        assert!(is_prime_128(u128::MAX - 158), "2^128 - 159 is prime");
        assert!(is_prime_128(u128::MAX - 172), "2^128 - 173 is prime");
        for below in [0u128, 2, 4, 156, 160] {
            assert!(!is_prime_128(u128::MAX - below), "{below}");
        }
        // A product of two primes of 64 bits.
        assert!(!is_prime_128(
            18_446_744_073_709_551_557 * 18_446_744_073_709_551_533
        ));
    }

    #[test]
    fn a_drawn_prime_has_its_size_and_passes_another_test() {
        let bytes = draw::<8>(&mut Random::new(Some(1)));
        assert_eq!(bytes.len(), 64);
        assert!(bytes.first().is_some_and(|byte| byte & 0xC0 == 0xC0));
        let number = crypto_bigint::U512::from_be_slice(&bytes);
        assert!(crypto_primes::is_prime(crypto_primes::Flavor::Any, &number));
    }
}
