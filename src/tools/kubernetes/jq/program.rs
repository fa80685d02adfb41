//! From a jq expression to a program that can be stopped.
//!
//! The jq engine has neither a step limit nor an interrupt, and one unlucky expression can build a value no machine can
//! hold. So every part of the expression, and of the definitions it builds on, is followed by a filter that counts what
//! comes out ([`super::natives`]): the program stops at its bound wherever it is. What would escape that (own recursion,
//! repetition of text) is refused or replaced before it is compiled.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::load::{Arena, File, Lexer, Loader, Parser};
use jaq_core::ops::Math;
use jaq_core::path::{Part, Path};
use jaq_core::{Compiler, compile};

use super::natives::{self, Limited};

/// Longest expression, in characters.
pub(super) const EXPRESSION_CHARS_MAX: usize = 2_000;
/// Deepest nesting of brackets.
const NESTING_MAX: usize = 60;
/// Largest number that may stand in `range`.
const RANGE_MAX: f64 = 10_000.0;
/// The expression, as a definition of its own.
const QUERY: &str = "query__";

/// Definitions of the standard library that are left out: they do not end by themselves, reach out of the program, or use
/// mathematics and formats that are not there.
const LEFT_OUT: [&str; 21] = [
    "repeat",
    "while",
    "until",
    "debug",
    "stderr",
    "halt",
    "halt_error",
    "logb",
    "significand",
    "pow10",
    "drem",
    "nexttoward",
    "scalb",
    "gamma",
    "@html",
    "@htmld",
    "@uri",
    "@urid",
    "@base64",
    "@base64d",
    "fromdate",
];
/// Filters that an expression may not call, with any number of arguments.
const REFUSED: [&str; 12] = [
    "repeat",
    "while",
    "until",
    "env",
    "input",
    "inputs",
    "input_filename",
    "debug",
    "stderr",
    "halt",
    "halt_error",
    QUERY,
];
/// What models expect beyond the standard library.
const EXTRA: &str = r#"
def fromdate: fromdateiso8601;
def leaf_paths: paths(scalars);
def IN(s): any(s == .; .);
def IN(src; s): any(src == s; .);
def INDEX(f): reduce .[] as $row ({}; .[$row | f | tostring] = $row);
def @tsv: [.[] | if . == null then "" else tostring end] | join("\t");
def @csv: [.[] | if . == null then "" elif isstring then "\"" + . + "\"" else tostring end] | join(",");
"#;

pub(super) type Program = jaq_core::Filter<Limited>;

/// Reads, checks and compiles an expression. `now` is what the filter of this name answers, in seconds.
///
/// # Errors
/// What is wrong and where, for the model.
pub(super) fn program(expression: &str, now: i64) -> Result<Program, String> {
    let query = Def { name: QUERY, args: Vec::new(), body: stoppable(parsed(expression)?, true)? };
    let now = now.to_string();
    let now = Def { name: "now", args: Vec::new(), body: Term::Num(now.as_str()) };
    let extra = jaq_core::load::parse(EXTRA, |parser| parser.defs()).unwrap_or_default();
    let standard = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
    let is_endless = |def: &Def<&str>| def.name == "combinations" && def.args.len() == 1;
    let is_offered = |def: &Def<&str>| !LEFT_OUT.contains(&def.name) && !is_endless(def);
    let mut defs = Vec::new();
    for def in standard.filter(is_offered).chain(extra) {
        defs.push(Def { body: stoppable(def.body, false)?, ..def });
    }
    let arena = Arena::default();
    let main = File { code: QUERY, path: () };
    let modules = Loader::new(defs.into_iter().chain([now, query])).load(&arena, main);
    let modules = modules.map_err(|_| "the expression cannot be loaded".to_owned())?;
    let compiled = Compiler::default().with_funs(natives::all()).compile(modules);
    compiled.map_err(|errors| {
        let first = errors.iter().flat_map(|(_, errors)| errors).next();
        first.map_or_else(|| "the expression cannot be compiled".to_owned(), |error| undefined(expression, error))
    })
}

fn undefined(expression: &str, (name, kind): &compile::Error<&str>) -> String {
    let arguments = match kind {
        compile::Undefined::Filter(count) => format!("/{count}"),
        _ => String::new(),
    };
    format!("unknown {} {name}{arguments}{}", kind.as_str(), place(expression, name))
}

/// ` at character 12`, when the part is one of the expression.
fn place(expression: &str, part: &str) -> String {
    let offset = (part.as_ptr() as usize).checked_sub(expression.as_ptr() as usize);
    let before = offset.and_then(|offset| expression.get(..offset));
    before.map(|before| format!(" at character {}", before.chars().count() + 1)).unwrap_or_default()
}

fn parsed(expression: &str) -> Result<Term<&str>, String> {
    if expression.chars().count() > EXPRESSION_CHARS_MAX {
        return Err(format!("the expression is longer than {EXPRESSION_CHARS_MAX} characters; ask for less at once"));
    }
    let mut depth = 0_usize;
    for letter in expression.chars() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > NESTING_MAX {
            return Err(format!("brackets are nested more than {NESTING_MAX} deep; simplify the expression"));
        }
    }
    let syntax = |expected: &str, found: Option<&str>| {
        let (found, place) = match found.filter(|found| !found.is_empty()) {
            Some(found) => (found.chars().take(20).collect(), place(expression, found)),
            None => ("its end".to_owned(), String::new()),
        };
        format!("syntax error{place}: expected {expected}, found {found}")
    };
    let tokens = Lexer::new(expression).lex().map_err(|errors| {
        errors
            .first()
            .map_or_else(|| "syntax error".to_owned(), |(expected, found)| syntax(expected.as_str(), Some(found)))
    })?;
    Parser::new(&tokens).parse(|parser| parser.term()).map_err(|errors| {
        let first = errors.first().map(|(expected, token)| syntax(expected.as_str(), token.map(|token| token.0)));
        first.unwrap_or_else(|| "syntax error".to_owned())
    })
}

type Filtered<'a> = Result<Term<&'a str>, String>;

/// The term with a counter behind every part from which values come. `is_own` = written by the model, and so checked.
fn stoppable(term: Term<&str>, is_own: bool) -> Filtered<'_> {
    let one = |term: Box<Term<_>>| stoppable(*term, is_own).map(Box::new);
    let all =
        |terms: Vec<Term<_>>| terms.into_iter().map(|term| stoppable(term, is_own)).collect::<Result<Vec<_>, _>>();
    Ok(match term {
        Term::Id | Term::Num(_) | Term::Var(_) | Term::Break(_) | Term::Arr(None) => term,
        Term::Recurse => counted(term),
        Term::Str(format, parts) => counted(Term::Str(format, stoppable_text(parts, is_own)?)),
        Term::Arr(Some(inner)) => weighed(Term::Arr(Some(one(inner)?))),
        Term::Obj(members) => {
            let member = |(key, value): (Term<_>, Option<Term<_>>)| {
                Ok::<_, String>((stoppable(key, is_own)?, value.map(|value| stoppable(value, is_own)).transpose()?))
            };
            weighed(Term::Obj(members.into_iter().map(member).collect::<Result<_, _>>()?))
        }
        Term::Neg(inner) => Term::Neg(one(inner)?),
        Term::BinOp(left, operator, right) => stoppable_operation(one(left)?, operator, one(right)?, is_own)?,
        Term::Label(name, inner) => Term::Label(name, one(inner)?),
        Term::Fold(name, source, pattern, steps) => {
            counted(Term::Fold(name, one(source)?, stoppable_pattern(pattern, is_own)?, all(steps)?))
        }
        Term::TryCatch(inner, handler) => Term::TryCatch(one(inner)?, handler.map(one).transpose()?),
        Term::IfThenElse(branches, otherwise) => {
            let branch = |(test, then)| Ok::<_, String>((stoppable(test, is_own)?, stoppable(then, is_own)?));
            let branches = branches.into_iter().map(branch).collect::<Result<_, _>>()?;
            Term::IfThenElse(branches, otherwise.map(one).transpose()?)
        }
        Term::Def(..) if is_own => {
            return Err("own definitions (def) are refused; write the filter where it is used".to_owned());
        }
        Term::Def(defs, inner) => {
            let def = |def: Def<_>| Ok::<_, String>(Def { body: stoppable(def.body, is_own)?, ..def });
            Term::Def(defs.into_iter().map(def).collect::<Result<_, _>>()?, one(inner)?)
        }
        Term::Call(name, arguments) => {
            if is_own {
                check_call(name, &arguments)?;
            }
            counted(Term::Call(name, all(arguments)?))
        }
        Term::Path(inner, Path(parts)) => {
            let index = |term: Option<Term<_>>| term.map(|term| stoppable(term, is_own)).transpose();
            let part = |(part, optional)| {
                let part = match part {
                    Part::Index(at) => Part::Index(stoppable(at, is_own)?),
                    Part::Range(from, to) => Part::Range(index(from)?, index(to)?),
                };
                Ok::<_, String>((part, optional))
            };
            counted(Term::Path(one(inner)?, Path(parts.into_iter().map(part).collect::<Result<_, _>>()?)))
        }
    })
}

fn check_call(name: &str, arguments: &[Term<&str>]) -> Result<(), String> {
    if REFUSED.contains(&name) {
        return Err(format!("{name} is refused here; the input is the list object, work on .items[]"));
    }
    if name == "recurse" && !arguments.is_empty() {
        return Err("recurse with an argument is refused; use .. for all values inside of one".to_owned());
    }
    let is_wide = |term: &Term<&str>| matches!(term, Term::Num(n) if n.parse::<f64>().is_ok_and(|n| n > RANGE_MAX));
    if name == "range" && arguments.iter().any(is_wide) {
        return Err(format!("range goes to {RANGE_MAX} at most"));
    }
    Ok(())
}

fn stoppable_text<'a>(
    parts: Vec<StrPart<&'a str, Term<&'a str>>>,
    is_own: bool,
) -> Result<Vec<StrPart<&'a str, Term<&'a str>>>, String> {
    let part = |part| match part {
        StrPart::Term(term) => stoppable(term, is_own).map(StrPart::Term),
        other => Ok(other),
    };
    parts.into_iter().map(part).collect()
}

fn stoppable_pattern(pattern: Pattern<&str>, is_own: bool) -> Result<Pattern<&str>, String> {
    Ok(match pattern {
        Pattern::Var(_) => pattern,
        Pattern::Arr(inner) => {
            Pattern::Arr(inner.into_iter().map(|inner| stoppable_pattern(inner, is_own)).collect::<Result<_, _>>()?)
        }
        Pattern::Obj(members) => {
            let member = |(key, inner)| Ok::<_, String>((stoppable(key, is_own)?, stoppable_pattern(inner, is_own)?));
            Pattern::Obj(members.into_iter().map(member).collect::<Result<_, _>>()?)
        }
    })
}

type Operand<'a> = Box<Term<&'a str>>;

fn stoppable_operation<'a>(
    left: Operand<'a>,
    operator: BinaryOp<&'a str>,
    right: Operand<'a>,
    is_own: bool,
) -> Filtered<'a> {
    Ok(match operator {
        // Text times a number repeats it: a native filter looks at both sides first.
        BinaryOp::Math(Math::Mul) => weighed(Term::Call(natives::TIMES, vec![*left, *right])),
        BinaryOp::UpdateMath(Math::Mul) if is_own => return Err("*= is refused; write |= . * n".to_owned()),
        BinaryOp::Pipe(Some(pattern)) => {
            Term::BinOp(left, BinaryOp::Pipe(Some(stoppable_pattern(pattern, is_own)?)), right)
        }
        BinaryOp::Pipe(None) | BinaryOp::Comma | BinaryOp::Alt | BinaryOp::Or | BinaryOp::And | BinaryOp::Cmp(_) => {
            Term::BinOp(left, operator, right)
        }
        BinaryOp::Math(_) | BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
            weighed(Term::BinOp(left, operator, right))
        }
    })
}

fn counted(term: Term<&str>) -> Term<&str> {
    then(term, natives::COUNT)
}

fn weighed(term: Term<&str>) -> Term<&str> {
    then(term, natives::WEIGH)
}

fn then<'a>(term: Term<&'a str>, filter: &'static str) -> Term<&'a str> {
    Term::BinOp(Box::new(term), BinaryOp::Pipe(None), Box::new(Term::Call(filter, Vec::new())))
}
