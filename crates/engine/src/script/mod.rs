//! Users' own Lua, in a sandbox.
//!
//! The incumbent's scripts are Lua 5.1. They run in Luau, whose interrupt reaches loops, calls and pattern matching
//! alike, so that a budget of steps, memory and time holds whatever a script does. Each run has a state of its own:
//! scripts share nothing. There are no files, processes or network; without
//! [`Libraries::All`] not even strings and mathematics, as with the incumbent.

mod value;

pub use value::restore;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Lua, LuaOptions, MultiValue, StdLib, VmState};
use serde_json::Value;

/// Steps (turns of loops, calls) of one run.
const STEPS: u64 = 500_000;
/// Bytes of one run, the object included.
const MEMORY: usize = 32 << 20;
/// Steps between looks at the clock.
const LOOK: u64 = 64;
/// Longest text that `string.rep` makes.
const LONGEST: usize = 1 << 20;
/// Longest script.
const SIZE: usize = 256 << 10;

/// How long one run may take, as the incumbent has it.
pub const TIME: Duration = Duration::from_secs(1);

/// Tells how much time has passed since any fixed moment.
pub type Elapsed = Arc<dyn Fn() -> Duration + Send + Sync>;

/// What a script may call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Libraries {
    /// Tables, and the time of day.
    #[default]
    Few,
    /// Strings, mathematics and coroutines too (`useOpenLibs`).
    All,
}

/// Why a script gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is too long.
    #[error("the Lua script has more than {} KiB", SIZE >> 10)]
    TooLong,
    /// It is not Lua, or it stopped with an error.
    #[error("Lua: {0}")]
    Failed(String),
    /// It used up its steps.
    #[error("the Lua script takes more than {STEPS} steps: does a loop never end?")]
    Steps,
    /// It used up its time.
    #[error("the Lua script takes more than {} s", TIME.as_secs())]
    Time,
    /// It used up its memory.
    #[error("the Lua script takes more than {} MiB of memory", MEMORY >> 20)]
    Memory,
    /// Its answer is nothing that JSON could say.
    #[error("the Lua script returns {0}")]
    Answer(&'static str),
}

/// A script.
#[derive(Clone)]
pub struct Script {
    source: Arc<str>,
    libraries: Libraries,
    elapsed: Elapsed,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Script")
            .field("bytes", &self.source.len())
            .field("libraries", &self.libraries)
            .finish_non_exhaustive()
    }
}

/// Why the budget ended a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Over {
    Steps,
    Time,
}

impl Script {
    /// Takes a script; it is read when it runs.
    pub fn new(source: &str, libraries: Libraries, elapsed: Elapsed) -> Self {
        Self {
            source: source.into(),
            libraries,
            elapsed,
        }
    }

    /// Runs it with global variables and returns what it returns.
    pub fn run(&self, globals: &[(&str, &Value)]) -> Result<Value, Error> {
        if self.source.len() > SIZE {
            return Err(Error::TooLong);
        }
        let over = std::rc::Rc::new(Cell::new(None));
        let answer = self.run_within(globals, &over);
        match (over.get(), answer) {
            (Some(Over::Steps), _) => Err(Error::Steps),
            (Some(Over::Time), _) => Err(Error::Time),
            (None, answer) => answer,
        }
    }

    fn run_within(
        &self,
        globals: &[(&str, &Value)],
        over: &std::rc::Rc<Cell<Option<Over>>>,
    ) -> Result<Value, Error> {
        let lua = sandbox(self.libraries).map_err(told)?;
        for (name, value) in globals {
            let value = value::to_lua(&lua, value).map_err(told)?;
            lua.globals().set(*name, value).map_err(told)?;
        }
        let (steps, began) = (Cell::new(0_u64), (self.elapsed)());
        let (elapsed, over) = (Arc::clone(&self.elapsed), std::rc::Rc::clone(over));
        lua.set_interrupt(move |_| {
            steps.set(steps.get() + 1);
            if steps.get() > STEPS {
                over.set(Some(Over::Steps));
            } else if steps.get() % LOOK == 0 && elapsed().saturating_sub(began) > TIME {
                over.set(Some(Over::Time));
            }
            match over.get() {
                // Every further step fails too, so that no `pcall` gets round it.
                Some(_) => Err(mlua::Error::runtime("out of budget")),
                None => Ok(VmState::Continue),
            }
        });
        let chunk = lua
            .load(&*self.source)
            .set_name("=script")
            .set_mode(mlua::chunk::ChunkMode::Text);
        let answers: MultiValue = chunk.call(()).map_err(told)?;
        let first = answers.into_iter().next().unwrap_or(mlua::Value::Nil);
        value::from_lua(&first)
    }
}

/// Makes a state in which a script can do no harm.
fn sandbox(libraries: Libraries) -> mlua::Result<Lua> {
    let mut open = StdLib::TABLE | StdLib::OS;
    if libraries == Libraries::All {
        open = open | StdLib::STRING | StdLib::MATH | StdLib::COROUTINE;
    }
    let lua = Lua::new_with(open, LuaOptions::new())?;
    lua.set_memory_limit(MEMORY)?;
    let globals = lua.globals();
    for name in [
        "collectgarbage",
        "dofile",
        "getfenv",
        "load",
        "loadstring",
        "newproxy",
        "print",
        "require",
        "setfenv",
    ] {
        globals.set(name, mlua::Value::Nil)?;
    }
    // Shifts as many places as it is told, without a step.
    globals
        .get::<mlua::Table>("table")?
        .set("move", mlua::Value::Nil)?;
    if libraries == Libraries::All {
        let repeat = lua.create_function(|lua, (text, times): (mlua::LuaString, f64)| {
            let times = if times > 0.0 { times as usize } else { 0 };
            let bytes = text.as_bytes();
            if bytes.len().max(1).saturating_mul(times) > LONGEST {
                return Err(mlua::Error::runtime(
                    "string.rep: the text would be too long",
                ));
            }
            lua.create_string(bytes.repeat(times))
        })?;
        globals.get::<mlua::Table>("string")?.set("rep", repeat)?;
    } else {
        // Texts have methods even where the library has no name.
        let texts: Option<mlua::Table> = globals.get("string")?;
        if texts.is_some() {
            globals.set("string", mlua::Value::Nil)?;
        }
    }
    Ok(lua)
}

/// Words an error without addresses and stack traces.
fn told(error: mlua::Error) -> Error {
    match error {
        mlua::Error::MemoryError(_) => Error::Memory,
        mlua::Error::CallbackError { cause, .. } => told(mlua::Error::clone(&cause)),
        mlua::Error::RuntimeError(message) | mlua::Error::SyntaxError { message, .. } => {
            if message.contains("not enough memory") {
                return Error::Memory;
            }
            let first = message.lines().next().unwrap_or_default();
            Error::Failed(first.chars().take(300).collect())
        }
        other => {
            let text = other.to_string();
            let first = text.lines().next().unwrap_or_default();
            Error::Failed(first.chars().take(300).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn clock() -> Elapsed {
        Arc::new(|| Duration::ZERO)
    }

    fn run(source: &str, libraries: Libraries) -> Result<Value, Error> {
        let object = json!({"status": {"phase": "Up", "list": [1, 2.5, true]}, "none": null});
        Script::new(source, libraries, clock()).run(&[("obj", &object)])
    }

    #[test]
    fn values_go_in_and_out() {
        let text = "local r = {} r.phase = obj.status.phase r.n = #obj.status.list r.list = obj.status.list
            r.none = obj.none == nil return r";
        assert_eq!(
            run(text, Libraries::Few),
            Ok(json!({"phase": "Up", "n": 3, "list": [1, 2.5, true], "none": true}))
        );
        assert_eq!(run("return nil", Libraries::Few), Ok(Value::Null));
        assert_eq!(run("", Libraries::Few), Ok(Value::Null));
    }

    #[test]
    fn libraries_are_there_when_asked_for() {
        let text = "return string.format('%s-%d', 'a', math.floor(1.5))";
        assert_eq!(run(text, Libraries::All), Ok(json!("a-1")));
        assert!(matches!(run(text, Libraries::Few), Err(Error::Failed(_))));
        assert_eq!(
            run(
                "return os.execute == nil and os.exit == nil and os.getenv == nil and io == nil and type(os.time()) == 'number'",
                Libraries::Few
            ),
            Ok(json!(true))
        );
        let none = "return require == nil and loadstring == nil and debug == nil and print == nil";
        assert_eq!(run(none, Libraries::All), Ok(json!(true)));
    }

    #[test]
    fn endless_loops_end() {
        for text in [
            "while true do end",
            "while true do pcall(function() while true do end end) end",
            "for i = 1, 1e18 do end",
            "local c = coroutine.wrap(function() while true do end end) c()",
            "return string.find(string.rep('a', 60000), string.rep('a*', 20) .. 'b')",
        ] {
            assert_eq!(run(text, Libraries::All), Err(Error::Steps), "{text}");
        }
        // Calls in tail position are calls.
        for text in [
            "local function f() return f() end return f()",
            "local function f() return 1 + f() end return f()",
        ] {
            let deep = run(text, Libraries::All);
            assert_eq!(
                deep,
                Err(Error::Failed("script:1: stack overflow".to_owned()))
            );
        }
    }

    #[test]
    fn hunger_ends() {
        for text in [
            "local t = {} while true do t[#t + 1] = {t} end",
            "local s = 'x' while true do s = s .. s end",
        ] {
            assert_eq!(run(text, Libraries::All), Err(Error::Memory), "{text}");
        }
        assert!(run("return string.rep('x', 1e9)", Libraries::All).is_err());
        assert!(run("return string.rep('', 1e18)", Libraries::All).is_err());
    }

    #[test]
    fn time_is_up_when_the_clock_says_so() {
        let ticks = std::sync::atomic::AtomicU64::new(0);
        let clock: Elapsed = Arc::new(move || {
            Duration::from_millis(400 * ticks.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        });
        let script = Script::new("for i = 1, 1e5 do end", Libraries::Few, clock);
        assert_eq!(script.run(&[]), Err(Error::Time));
    }

    #[test]
    fn mistakes_are_told_in_one_line() {
        assert_eq!(
            run("return obj.spec.x", Libraries::Few),
            Err(Error::Failed(
                "script:1: attempt to index nil with 'x'".to_owned()
            ))
        );
        assert!(
            matches!(run("return )", Libraries::Few), Err(Error::Failed(text)) if text.starts_with("script:1:"))
        );
        assert_eq!(
            run("local t = {} t.t = t return t", Libraries::Few),
            Err(Error::Answer("a table that is nested too deeply"))
        );
        assert_eq!(
            run("return function() end", Libraries::Few),
            Err(Error::Answer("a function"))
        );
    }
}
