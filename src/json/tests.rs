use super::*;

fn tokens(text: &[u8]) -> Result<Vec<Token<'_>>, Error> {
    let mut walk = Tokens::new(text);
    let mut all = Vec::new();
    while let Some(token) = walk.next()? {
        all.push(token);
    }
    Ok(all)
}

fn problem(text: impl AsRef<[u8]>) -> Problem {
    tokens(text.as_ref()).unwrap_err().problem
}

#[test]
fn walks_a_document_in_order() {
    assert_eq!(
        tokens(br#" {"a": [1, -2, 1.5, true, null], "b\n": {}} "#).unwrap(),
        [
            Token::ObjectStart,
            Token::Key("a".into()),
            Token::ArrayStart,
            Token::Number(Number::Unsigned(1)),
            Token::Number(Number::Negative(-2)),
            Token::Number(Number::Float(1.5)),
            Token::Bool(true),
            Token::Null,
            Token::ArrayEnd,
            Token::Key("b\n".into()),
            Token::ObjectStart,
            Token::ObjectEnd,
            Token::ObjectEnd,
        ]
    );
}

#[test]
fn integers_are_exact_to_the_limits_and_refused_beyond() {
    fn one(text: &str) -> Result<Token<'_>, Error> {
        tokens(text.as_bytes()).map(|all| all[0].clone())
    }
    assert_eq!(
        one("18446744073709551615"),
        Ok(Token::Number(Number::Unsigned(u64::MAX)))
    );
    assert_eq!(
        one("-9223372036854775808"),
        Ok(Token::Number(Number::Negative(i64::MIN)))
    );
    assert_eq!(
        one("9007199254740993"),
        Ok(Token::Number(Number::Unsigned(9_007_199_254_740_993)))
    );
    assert_eq!(one("-0"), Ok(Token::Number(Number::Unsigned(0))));
    for text in ["18446744073709551616", "-9223372036854775809", "1e400", "-1e999"] {
        assert_eq!(problem(text), Problem::NumberRange, "{text}");
    }
}

#[test]
fn refuses_what_is_not_json() {
    for text in [
        "",
        " ",
        "{",
        "[",
        "[1",
        "[1,",
        "[1,]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "01",
        "1.",
        ".5",
        "1e",
        "+1",
        "-",
        "tru",
        "nul",
        "\"\u{1}\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"abc",
        "[1 2]",
        "{\"a\" 1}",
        "[}",
        "{]",
        "'a'",
        "NaN",
        "\u{feff}1",
    ] {
        assert_eq!(problem(text), Problem::Syntax, "{text}");
    }
    assert_eq!(problem("1 2"), Problem::Trailing);
    assert_eq!(problem("{}{}"), Problem::Trailing);
}

#[test]
fn strings_are_unicode_or_refused() {
    assert_eq!(
        tokens(br#""\u00e9\ud83d\ude00\u0000\/""#).unwrap(),
        [Token::String("é😀\0/".into())]
    );
    for text in [
        &br#""\ud800""#[..],
        br#""\udc00""#,
        br#""\ud800\u0041""#,
        b"\"\xff\"",
        b"\"\xc3\x28\"",
    ] {
        assert_eq!(problem(text), Problem::NotUnicode, "{text:?}");
    }
}

#[test]
fn depth_ends_at_the_limit_and_not_at_the_stack() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(tokens(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert_eq!(problem(nested(MAX_DEPTH + 1)), Problem::TooDeep);
    assert_eq!(problem(nested(1_000_000)), Problem::TooDeep);
}

#[test]
fn a_skip_passes_any_content_but_no_broken_grammar() {
    let deep = format!("{{\"a\":{}{},\"b\":1}}", "[".repeat(9_999), "]".repeat(9_999));
    for text in [
        deep.as_str(),
        r#"{"a":{"x":1e400,"\ud800":"\ud800","x":[1e999]},"b":1}"#,
        r#"{"a":"\ud800","b":1}"#,
    ] {
        let mut walk = Tokens::new(text.as_bytes());
        walk.next().unwrap();
        assert_eq!(walk.next().unwrap(), Some(Token::Key("a".into())));
        walk.skip_value().unwrap();
        assert_eq!(walk.next().unwrap(), Some(Token::Key("b".into())), "{text:.40}");
    }
    let mut walk = Tokens::new(br#"{"a":[1 2]}"#);
    walk.next().unwrap();
    walk.next().unwrap();
    assert_eq!(walk.skip_value().unwrap_err().problem, Problem::Syntax);
}

#[test]
fn a_problem_lies_within_the_text() {
    for text in ["\"\\", "{\"\\", "[\"a\\"] {
        let mut tokens = Tokens::new(text.as_bytes());
        let error = loop {
            match tokens.next() {
                Ok(token) => assert_ne!(token, None),
                Err(error) => break error,
            }
        };
        assert_eq!(
            (error.problem, error.offset),
            (Problem::Syntax, text.len()),
            "{text}"
        );
    }
}
