//! Random primes for RSA keys: a sieve over a random start, then Miller-Rabin with Montgomery arithmetic.
//!
//! Charts draw several keys in each render, and the usual crates take hundreds of milliseconds for one, since they guard
//! against timing. Nobody can measure how long this search takes for a secret that is printed right after it.

use std::sync::LazyLock;

use crate::funcs::Random;

/// Small primes below this are sieved out of primes of up to 1024 bits.
const SIEVE_LIMIT: usize = 1 << 16;
/// Small primes below this are sieved out of longer ones, where each test costs eight times as much.
const LONG_SIEVE_LIMIT: usize = 1 << 19;
/// Odd numbers looked at from one random start.
const WINDOW: usize = 1 << 12;
/// The public exponent, which must have no factor in common with the prime less one.
const EXPONENT: u64 = 65_537;

type Words<const N: usize> = [u64; N];

/// Rounds with random bases after the one with base two: an error is less likely than 2^-112 (FIPS 186-5, table B.1).
const fn rounds(words: usize) -> usize {
    if words < 24 { 5 } else { 4 }
}

/// Draws a prime of `N` words with its two highest bits set, in big-endian bytes.
pub(super) fn draw<const N: usize>(random: &mut Random) -> Vec<u8> {
    let limit = if N > 16 {
        LONG_SIEVE_LIMIT
    } else {
        SIEVE_LIMIT
    };
    loop {
        let mut start = random_words::<N>(random);
        if let Some(low) = start.first_mut() {
            *low |= 1;
        }
        if let Some(high) = start.last_mut() {
            *high |= 3 << 62;
        }
        let composite = sieve(&start, limit as u64);
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

/// Says whether a number of exactly 2048 bits, in big-endian bytes, is prime.
pub(super) fn is_prime_of_2048_bits(bytes: &[u8], random: &mut Random) -> bool {
    let mut words: Words<32> = [0; 32];
    for (word, chunk) in words.iter_mut().zip(bytes.rchunks(8)) {
        *word = chunk
            .iter()
            .fold(0, |word, byte| (word << 8) | u64::from(*byte));
    }
    let has_factor = |group: &Group| {
        let rest = remainder(&words, group.product);
        group.primes.iter().any(|prime| rest.is_multiple_of(*prime))
    };
    !GROUPS.iter().any(has_factor) && is_prime(&words, random)
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

/// Small odd primes, as many together as have a product of one word: a long number is divided once for all of them.
struct Group {
    product: u64,
    primes: Vec<u64>,
}

static GROUPS: LazyLock<Vec<Group>> = LazyLock::new(|| {
    let mut groups: Vec<Group> = Vec::new();
    for prime in small_primes() {
        if let Some(group) = groups.last_mut()
            && let Some(product) = group.product.checked_mul(prime)
        {
            group.product = product;
            group.primes.push(prime);
        } else {
            groups.push(Group {
                product: prime,
                primes: vec![prime],
            });
        }
    }
    groups
});

fn small_primes() -> Vec<u64> {
    let mut composite = vec![false; LONG_SIEVE_LIMIT];
    let mut primes = Vec::with_capacity(43_500);
    for number in (3..LONG_SIEVE_LIMIT).step_by(2) {
        if composite.get(number).copied().unwrap_or(true) {
            continue;
        }
        primes.push(number as u64);
        for place in composite
            .iter_mut()
            .skip(number * number)
            .step_by(2 * number)
        {
            *place = true;
        }
    }
    primes
}

/// Marks which of `start`, `start + 2`, `start + 4`, … have a small factor.
fn sieve<const N: usize>(start: &Words<N>, limit: u64) -> Vec<bool> {
    let mut composite = vec![false; WINDOW];
    for group in GROUPS.iter() {
        if group.primes.first().is_none_or(|prime| *prime >= limit) {
            break;
        }
        let rest = remainder(start, group.product);
        for prime in &group.primes {
            let missing = (prime - rest % prime) % prime;
            let first = if missing.is_multiple_of(2) {
                missing / 2
            } else {
                (missing + prime) / 2
            };
            let mut at = first as usize;
            while let Some(place) = composite.get_mut(at) {
                *place = true;
                at += *prime as usize;
            }
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
            let carry = add_row(&mut sum, b, *x);
            let high = u128::from(top) + u128::from(carry);
            let factor = sum[0].wrapping_mul(self.inverse);
            // The lowest word becomes zero and is dropped.
            let carry = add_row(&mut sum, &self.number, factor);
            sum.copy_within(1.., 0);
            let last = high + u128::from(carry);
            sum[N - 1] = last as u64;
            top = (last >> 64) as u64;
        }
        self.finish(sum, top)
    }

    /// Montgomery's square: what stands on both sides of the diagonal is computed once.
    fn square(&self, a: &Words<N>) -> Words<N> {
        let mut both = [[0u64; N]; 2];
        let all = both.as_flattened_mut();
        for index in 0..N - 1 {
            all[index + N] = add_row(
                &mut all[2 * index + 1..index + N],
                &a[index + 1..],
                a[index],
            );
        }
        let (mut above, mut carry) = (0, 0);
        for (pair, word) in all.as_chunks_mut::<2>().0.iter_mut().zip(a) {
            let [low, high] = *pair;
            let product = u128::from(*word) * u128::from(*word);
            let first = u128::from((low << 1) | above) + (product & LOW) + u128::from(carry);
            let second = u128::from((high << 1) | (low >> 63)) + (product >> 64) + (first >> 64);
            *pair = [first as u64, second as u64];
            above = high >> 63;
            carry = (second >> 64) as u64;
        }
        let mut top = 0;
        for index in 0..N {
            let factor = all[index].wrapping_mul(self.inverse);
            let carry = add_row(&mut all[index..index + N], &self.number, factor);
            let last = u128::from(all[index + N]) + u128::from(carry) + u128::from(top);
            all[index + N] = last as u64;
            top = (last >> 64) as u64;
        }
        self.finish(both[1], top)
    }

    fn finish(&self, sum: Words<N>, top: u64) -> Words<N> {
        let (less, borrow) = minus(&sum, &self.number);
        if top != 0 || !borrow { less } else { sum }
    }

    /// Raises two, in Montgomery's form.
    fn power_of_two(&self, exponent: &Words<N>) -> Words<N> {
        let mut value = self.one;
        for word in exponent.iter().rev() {
            for bit in (0..64).rev() {
                value = self.square(&value);
                if (word >> bit) & 1 == 1 {
                    value = self.double(&value);
                }
            }
        }
        value
    }

    /// Raises a base in Montgomery's form, four bits of the exponent at a time.
    fn power(&self, base: &Words<N>, exponent: &Words<N>) -> Words<N> {
        let mut table = [self.one; 16];
        for at in 1..16 {
            table[at] = self.multiply(&table[at - 1], base);
        }
        let mut value = self.one;
        for word in exponent.iter().rev() {
            for digit in (0..16).rev() {
                for _ in 0..4 {
                    value = self.square(&value);
                }
                let digit = (word >> (4 * digit)) as usize & 15;
                if digit != 0 {
                    value = self.multiply(&value, &table[digit]);
                }
            }
        }
        value
    }
}

const LOW: u128 = u64::MAX as u128;

/// Adds a multiple of `row` to `sum`, which is as long; returns the carry.
#[expect(clippy::inline_always, reason = "with known lengths the loop unrolls")]
#[inline(always)]
fn add_row(sum: &mut [u64], row: &[u64], factor: u64) -> u64 {
    let mut carry = 0u64;
    for (place, word) in sum.iter_mut().zip(row) {
        let part = u128::from(*place) + u128::from(*word) * u128::from(factor) + u128::from(carry);
        *place = part as u64;
        carry = (part >> 64) as u64;
    }
    carry
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
    if !is_witnessed(&modulus, modulus.power_of_two(&odd), twos) {
        return false;
    }
    (0..rounds(N)).all(|_| {
        // Any number below the modulus will do; this one is, since its highest bit is clear.
        let mut base = random_words::<N>(random);
        if let Some(high) = base.last_mut() {
            *high >>= 1;
        }
        is_witnessed(&modulus, modulus.power(&base, &odd), twos)
    })
}

/// One round of Miller-Rabin over a base that was raised to the odd part; `true` for what may be a prime.
fn is_witnessed<const N: usize>(modulus: &Modulus<N>, mut value: Words<N>, twos: u32) -> bool {
    if value == modulus.one || value == modulus.minus_one {
        return true;
    }
    for _ in 1..twos {
        value = modulus.square(&value);
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
        is_prime(&words, &mut Random::new(Some(7.into())))
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
    fn squares_are_products_with_themselves() {
        let mut random = Random::new(Some(3.into()));
        for _ in 0..200 {
            let mut number = random_words::<7>(&mut random);
            number[0] |= 1;
            number[6] |= 1 << 63;
            let modulus = Modulus::new(&number);
            let mut value = random_words::<7>(&mut random);
            value[6] >>= 1;
            assert_eq!(modulus.square(&value), modulus.multiply(&value, &value));
            // The factor 2^(64 N) of Montgomery's form cancels out.
            assert_eq!(modulus.multiply(&value, &modulus.one), value);
            let two = modulus.double(&modulus.one);
            assert_eq!(modulus.power(&two, &value), modulus.power_of_two(&value));
        }
    }

    #[test]
    fn a_drawn_prime_has_its_size_and_passes_another_test() {
        let bytes = draw::<8>(&mut Random::new(Some(1.into())));
        assert_eq!(bytes.len(), 64);
        assert!(bytes.first().is_some_and(|byte| byte & 0xC0 == 0xC0));
        let number = crypto_bigint::U512::from_be_slice(&bytes);
        assert!(crypto_primes::is_prime(crypto_primes::Flavor::Any, &number));
        let bytes = draw::<32>(&mut Random::new(Some(2.into())));
        let number = crypto_bigint::U2048::from_be_slice(&bytes);
        assert!(crypto_primes::is_prime(crypto_primes::Flavor::Any, &number));
    }
}
