//! Random values. With a seed the same run draws the same ones.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::encode::hex;
use super::{Answer, func, int, text};
use crate::error::Fault;
use crate::exec::Exec;
use crate::outside::Seed;
use crate::registry::{Func, Ty};
use crate::value::Value;

const DIGITS: &str = "0123456789";
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

pub(super) const FUNCS: &[Func] = &[
    func("randAlphaNum", &[Ty::Int], |exec, args| {
        chars(exec, args, &format!("{LETTERS}{DIGITS}"))
    }),
    func("randAlpha", &[Ty::Int], |exec, args| {
        chars(exec, args, LETTERS)
    }),
    func("randNumeric", &[Ty::Int], |exec, args| {
        chars(exec, args, DIGITS)
    }),
    func("randAscii", &[Ty::Int], |exec, args| {
        let all: String = (' '..='~').collect();
        chars(exec, args, &all)
    }),
    func("randBytes", &[Ty::Int], |exec, args| {
        use base64::Engine as _;
        let count = length(args)?;
        let mut bytes = vec![0; count];
        exec.random().fill(&mut bytes);
        Ok(base64::engine::general_purpose::STANDARD
            .encode(bytes)
            .into())
    }),
    func("randInt", &[Ty::Int, Ty::Int], |exec, args| {
        let (low, high) = (int(args, 0), int(args, 1));
        let range = high
            .checked_sub(low)
            .and_then(|range| u64::try_from(range).ok());
        match range.filter(|range| *range > 0) {
            Some(range) => {
                let drawn = exec.random().below(range);
                Ok(Value::Int(low + drawn as i64))
            }
            None => Err(Fault::new("invalid argument to Intn")),
        }
    }),
    func("uuidv4", &[], |exec, _| {
        let mut bytes = [0u8; 16];
        exec.random().fill(&mut bytes);
        bytes[6] = bytes[6] & 0x0F | 0x40;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        let digits = hex(&bytes);
        let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
        Ok(format!(
            "{}-{}-{}-{}-{}",
            part(0, 8),
            part(8, 12),
            part(12, 16),
            part(16, 20),
            part(20, 32)
        )
        .into())
    }),
];

/// The longest random text.
const MAX_LENGTH: i64 = 1 << 20;

fn length(args: &[Value]) -> Result<usize, Fault> {
    match int(args, 0) {
        // Sprig draws nothing then.
        i64::MIN..0 => Ok(0),
        count @ 0..=MAX_LENGTH => Ok(count as usize),
        count => Err(Fault::new(format!("cannot draw {count} characters"))),
    }
}

/// A source of random numbers.
pub struct Random(Option<StdRng>, Option<Seed>);

impl Random {
    /// Makes a source; without a seed it draws from the system.
    pub fn new(seed: Option<Seed>) -> Self {
        Self(None, seed)
    }

    pub(crate) fn rng(&mut self) -> &mut StdRng {
        let seed = self.1;
        self.0.get_or_insert_with(|| match seed {
            Some(seed) => StdRng::from_seed(seed.bytes()),
            None => rand::make_rng(),
        })
    }

    /// Makes another source from this one, for work beside it.
    pub(crate) fn fork(&mut self) -> Self {
        let mut seed = [0; 32];
        self.fill(&mut seed);
        Self(Some(StdRng::from_seed(seed)), self.1)
    }

    /// Fills a buffer.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.rng().fill_bytes(bytes);
    }

    /// Draws a number below `bound`, each as likely as any other.
    pub fn below(&mut self, bound: u64) -> u64 {
        let bound = bound.max(1);
        let fair = u64::MAX - u64::MAX % bound;
        loop {
            let drawn = self.rng().next_u64();
            if drawn < fair {
                return drawn % bound;
            }
        }
    }
}

fn chars(exec: &mut Exec<'_>, args: &[Value], from: &str) -> Answer {
    let count = length(args)?;
    let random = exec.random();
    let drawn: String = (0..count)
        .filter_map(|_| {
            let at = random.below(from.len() as u64) as usize;
            from.as_bytes().get(at).map(|byte| char::from(*byte))
        })
        .collect();
    Ok(drawn.into())
}

pub(super) fn shuffle(exec: &mut Exec<'_>, args: &[Value]) -> Answer {
    let mut characters: Vec<char> = text(args, 0).chars().collect();
    let random = exec.random();
    for last in (1..characters.len()).rev() {
        let other = random.below(last as u64 + 1) as usize;
        characters.swap(last, other);
    }
    Ok(characters.into_iter().collect::<String>().into())
}
