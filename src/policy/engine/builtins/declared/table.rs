//! The rows, sorted by name, and the types that they name. Names, types and marks are those of OPA's own capabilities.

use super::{Declaration, Type};

const ANY: Type = Type::Any;
const BOOLEAN: Type = Type::Boolean;
const NULL: Type = Type::Null;
const NUMBER: Type = Type::Number;
const STRING: Type = Type::String;
const ARRAY: Type = Type::Array(&ANY);
const SET: Type = Type::Set(&ANY);
const LIST: Type = Type::OneOf(&[ARRAY, SET]);
const OBJECT: Type = Type::Object {
    members: &[],
    rest: Some((&ANY, &ANY)),
};
const STRINGS: Type = Type::Array(&STRING);
const STRING_SET: Type = Type::Set(&STRING);
const TEXTS: Type = Type::OneOf(&[STRINGS, STRING_SET]);
const COUNTED: Type = Type::OneOf(&[STRING, ARRAY, OBJECT, SET]);
const RECORD: Type = Type::Object {
    members: &[],
    rest: Some((&STRING, &ANY)),
};
const RECORDS: Type = Type::Array(&RECORD);
const VERIFIED_CERTIFICATES: Type = Type::Tuple(&[BOOLEAN, RECORDS]);
const DELIMITERS: Type = Type::OneOf(&[NULL, STRINGS]);
const GRAPH: Type = Type::Object {
    members: &[],
    rest: Some((&ANY, &LIST)),
};
const PATHS_OF_GRAPH: Type = Type::Set(&ARRAY);
const TEXT_OR_OBJECT: Type = Type::OneOf(&[STRING, OBJECT]);
const TWO_OBJECTS: Type = Type::Tuple(&[OBJECT, OBJECT]);
const VERIFIED: Type = Type::Tuple(&[BOOLEAN, OBJECT, OBJECT]);
const NUMBERS: Type = Type::Array(&NUMBER);
const PRINTED: Type = Type::Array(&SET);
const SETS: Type = Type::Set(&SET);
const TOKEN: Type = Type::Tuple(&[OBJECT, OBJECT, STRING]);
const PATH: Type = Type::OneOf(&[STRING, ARRAY]);
const PATH_ARRAY: Type = Type::Array(&PATH);
const PATH_SET: Type = Type::Set(&PATH);
const PATHS: Type = Type::OneOf(&[PATH_ARRAY, PATH_SET]);
const MARSHAL_OPTIONS: Type = Type::Object {
    members: &[("indent", STRING), ("prefix", STRING), ("pretty", BOOLEAN)],
    rest: Some((&STRING, &ANY)),
};
const SCHEMA_ERROR: Type = Type::Object {
    members: &[
        ("desc", STRING),
        ("error", STRING),
        ("field", STRING),
        ("type", STRING),
    ],
    rest: None,
};
const SCHEMA_ERRORS: Type = Type::Array(&SCHEMA_ERROR);
const MATCHED: Type = Type::Tuple(&[BOOLEAN, SCHEMA_ERRORS]);
const OPERATION: Type = Type::Object {
    members: &[("op", STRING), ("path", ANY)],
    rest: Some((&ANY, &ANY)),
};
const OPERATIONS: Type = Type::Array(&OPERATION);
const TEXT_OR_NULL: Type = Type::OneOf(&[NULL, STRING]);
const VERIFIED_SCHEMA: Type = Type::Tuple(&[BOOLEAN, TEXT_OR_NULL]);
const NUMBER_OR_SET: Type = Type::OneOf(&[NUMBER, SET]);
const PATH_MEMBERS: Type = Type::Object {
    members: &[],
    rest: Some((&STRING, &PATH)),
};
const CIDRS: Type = Type::OneOf(&[STRING, PATH_ARRAY, PATH_MEMBERS, PATH_SET]);
const PAIR: Type = Type::Tuple(&[ANY, ANY]);
const PAIRS: Type = Type::Set(&PAIR);
const ONLY_STRING: Type = Type::OneOf(&[STRING]);
const ONLY_STRINGS: Type = Type::Array(&ONLY_STRING);
const CIDR_LIST: Type = Type::OneOf(&[ONLY_STRINGS, STRING_SET]);
const COLLECTION: Type = Type::OneOf(&[ARRAY, OBJECT, SET]);
const OBJECTS: Type = Type::Array(&OBJECT);
const NUMBER_SET: Type = Type::Set(&NUMBER);
const NUMBER_LIST: Type = Type::OneOf(&[NUMBERS, NUMBER_SET]);
const GROUPS: Type = Type::Array(&STRINGS);
const TEXT_OR_TEXTS: Type = Type::OneOf(&[STRING, STRINGS, STRING_SET]);
const STRING_MEMBERS: Type = Type::Object {
    members: &[],
    rest: Some((&STRING, &STRING)),
};
const TIME_IN_ZONE: Type = Type::Tuple(&[NUMBER, STRING]);
const TIME: Type = Type::OneOf(&[NUMBER, TIME_IN_ZONE]);
const THREE_NUMBERS: Type = Type::Tuple(&[NUMBER, NUMBER, NUMBER]);
const SIX_NUMBERS: Type = Type::Tuple(&[NUMBER, NUMBER, NUMBER, NUMBER, NUMBER, NUMBER]);
const TIME_WITH_LAYOUT: Type = Type::Tuple(&[NUMBER, STRING, STRING]);
const FORMATTED_TIME: Type = Type::OneOf(&[NUMBER, TIME_IN_ZONE, TIME_WITH_LAYOUT]);
const SCALAR: Type = Type::OneOf(&[NULL, BOOLEAN, NUMBER, STRING]);
const QUERY: Type = Type::Object {
    members: &[],
    rest: Some((&STRING, &STRINGS)),
};
const QUERY_MEMBERS: Type = Type::Object {
    members: &[],
    rest: Some((&STRING, &TEXT_OR_TEXTS)),
};
const PATH_AND_VALUE: Type = Type::Tuple(&[ARRAY, ANY]);

const fn function(name: &'static str, operands: &'static [Type], result: Type) -> Declaration {
    Declaration::new(name, operands, Some(result))
}

/// One that gives nothing.
const fn procedure(name: &'static str, operands: &'static [Type]) -> Declaration {
    Declaration::new(name, operands, None)
}

/// Every builtin of OPA, and ours.
pub(super) const ALL: &[Declaration] = &[
    function("abs", &[NUMBER], NUMBER),
    function("all", &[LIST], BOOLEAN).deprecated(),
    function("and", &[SET, SET], SET).infix("&"),
    function("any", &[LIST], BOOLEAN).deprecated(),
    function("array.concat", &[ARRAY, ARRAY], ARRAY),
    function("array.flatten", &[ARRAY], ARRAY),
    function("array.reverse", &[ARRAY], ARRAY),
    function("array.slice", &[ARRAY, NUMBER, NUMBER], ARRAY),
    function("assign", &[ANY, ANY], BOOLEAN).infix(":="),
    function("base64.decode", &[STRING], STRING),
    function("base64.encode", &[STRING], STRING),
    function("base64.is_valid", &[STRING], BOOLEAN),
    function("base64url.decode", &[STRING], STRING),
    function("base64url.encode", &[STRING], STRING),
    function("base64url.encode_no_pad", &[STRING], STRING),
    function("bits.and", &[NUMBER, NUMBER], NUMBER),
    function("bits.lsh", &[NUMBER, NUMBER], NUMBER),
    function("bits.negate", &[NUMBER], NUMBER),
    function("bits.or", &[NUMBER, NUMBER], NUMBER),
    function("bits.rsh", &[NUMBER, NUMBER], NUMBER),
    function("bits.xor", &[NUMBER, NUMBER], NUMBER),
    function("cast_array", &[ANY], ARRAY).deprecated(),
    function("cast_boolean", &[ANY], BOOLEAN).deprecated(),
    function("cast_null", &[ANY], NULL).deprecated(),
    function("cast_object", &[ANY], OBJECT).deprecated(),
    function("cast_set", &[ANY], SET).deprecated(),
    function("cast_string", &[ANY], STRING).deprecated(),
    function("ceil", &[NUMBER], NUMBER),
    function("concat", &[STRING, TEXTS], STRING),
    function("contains", &[STRING, STRING], BOOLEAN),
    function("count", &[COUNTED], NUMBER),
    function("crypto.hmac.equal", &[STRING, STRING], BOOLEAN),
    function("crypto.hmac.md5", &[STRING, STRING], STRING),
    function("crypto.hmac.sha1", &[STRING, STRING], STRING),
    function("crypto.hmac.sha256", &[STRING, STRING], STRING),
    function("crypto.hmac.sha512", &[STRING, STRING], STRING),
    function("crypto.md5", &[STRING], STRING),
    function("crypto.parse_private_keys", &[STRING], RECORDS),
    function("crypto.sha1", &[STRING], STRING),
    function("crypto.sha256", &[STRING], STRING),
    function(
        "crypto.x509.parse_and_verify_certificates",
        &[STRING],
        VERIFIED_CERTIFICATES,
    ),
    function(
        "crypto.x509.parse_and_verify_certificates_with_options",
        &[STRING, RECORD],
        VERIFIED_CERTIFICATES,
    ),
    function("crypto.x509.parse_certificate_request", &[STRING], RECORD),
    function("crypto.x509.parse_certificates", &[STRING], RECORDS),
    function("crypto.x509.parse_keypair", &[STRING, STRING], RECORD),
    function("crypto.x509.parse_rsa_private_key", &[STRING], RECORD),
    function("div", &[NUMBER, NUMBER], NUMBER).infix("/"),
    function("endswith", &[STRING, STRING], BOOLEAN),
    function("eq", &[ANY, ANY], BOOLEAN).infix("="),
    function("equal", &[ANY, ANY], BOOLEAN).infix("=="),
    function("external_data", &[RECORD], OBJECT).nondeterministic(),
    function("floor", &[NUMBER], NUMBER),
    function("format_int", &[NUMBER, NUMBER], STRING),
    function("glob.match", &[STRING, DELIMITERS, STRING], BOOLEAN),
    function("glob.quote_meta", &[STRING], STRING),
    function("graph.reachable", &[GRAPH, LIST], SET),
    function("graph.reachable_paths", &[GRAPH, LIST], PATHS_OF_GRAPH),
    function("graphql.is_valid", &[TEXT_OR_OBJECT, TEXT_OR_OBJECT], BOOLEAN),
    function("graphql.parse", &[TEXT_OR_OBJECT, TEXT_OR_OBJECT], TWO_OBJECTS),
    function(
        "graphql.parse_and_verify",
        &[TEXT_OR_OBJECT, TEXT_OR_OBJECT],
        VERIFIED,
    ),
    function("graphql.parse_query", &[STRING], OBJECT),
    function("graphql.parse_schema", &[STRING], OBJECT),
    function("graphql.schema_is_valid", &[TEXT_OR_OBJECT], BOOLEAN),
    function("gt", &[ANY, ANY], BOOLEAN).infix(">"),
    function("gte", &[ANY, ANY], BOOLEAN).infix(">="),
    function("hex.decode", &[STRING], STRING),
    function("hex.encode", &[STRING], STRING),
    function("http.send", &[RECORD], OBJECT).nondeterministic(),
    function("indexof", &[STRING, STRING], NUMBER),
    function("indexof_n", &[STRING, STRING], NUMBERS),
    function("internal.member_2", &[ANY, ANY], BOOLEAN).infix("in"),
    function("internal.member_3", &[ANY, ANY, ANY], BOOLEAN).infix("in"),
    procedure("internal.print", &[PRINTED]),
    function("internal.template_string", &[ARRAY], STRING),
    procedure("internal.test_case", &[ARRAY]),
    function("intersection", &[SETS], SET),
    function("io.jwt.decode", &[STRING], TOKEN),
    function("io.jwt.decode_verify", &[STRING, RECORD], VERIFIED).nondeterministic(),
    function("io.jwt.encode_sign", &[RECORD, RECORD, RECORD], STRING).nondeterministic(),
    function("io.jwt.encode_sign_raw", &[STRING, STRING, STRING], STRING).nondeterministic(),
    function("io.jwt.verify_eddsa", &[STRING, STRING], BOOLEAN),
    function("io.jwt.verify_es256", &[STRING, STRING], BOOLEAN),
    function("io.jwt.verify_es384", &[STRING, STRING], BOOLEAN),
    function("io.jwt.verify_es512", &[STRING, STRING], BOOLEAN),
    function("io.jwt.verify_hs256", &[STRING, STRING], BOOLEAN),
    function("io.jwt.verify_hs384", &[STRING, STRING], BOOLEAN),
    function("io.jwt.verify_hs512", &[STRING, STRING], BOOLEAN),
    function("io.jwt.verify_ps256", &[STRING, STRING], BOOLEAN),
    function("io.jwt.verify_ps384", &[STRING, STRING], BOOLEAN),
    function("io.jwt.verify_ps512", &[STRING, STRING], BOOLEAN),
    function("io.jwt.verify_rs256", &[STRING, STRING], BOOLEAN),
    function("io.jwt.verify_rs384", &[STRING, STRING], BOOLEAN),
    function("io.jwt.verify_rs512", &[STRING, STRING], BOOLEAN),
    function("is_array", &[ANY], BOOLEAN),
    function("is_boolean", &[ANY], BOOLEAN),
    function("is_null", &[ANY], BOOLEAN),
    function("is_number", &[ANY], BOOLEAN),
    function("is_object", &[ANY], BOOLEAN),
    function("is_set", &[ANY], BOOLEAN),
    function("is_string", &[ANY], BOOLEAN),
    function("json.filter", &[OBJECT, PATHS], OBJECT),
    function("json.is_valid", &[STRING], BOOLEAN),
    function("json.marshal", &[ANY], STRING),
    function("json.marshal_with_options", &[ANY, MARSHAL_OPTIONS], STRING),
    function("json.match_schema", &[TEXT_OR_OBJECT, TEXT_OR_OBJECT], MATCHED).nondeterministic(),
    function("json.patch", &[ANY, OPERATIONS], ANY),
    function("json.remove", &[OBJECT, PATHS], OBJECT),
    function("json.unmarshal", &[STRING], ANY),
    function("json.verify_schema", &[TEXT_OR_OBJECT], VERIFIED_SCHEMA).nondeterministic(),
    function("lower", &[STRING], STRING),
    function("lt", &[ANY, ANY], BOOLEAN).infix("<"),
    function("lte", &[ANY, ANY], BOOLEAN).infix("<="),
    function("max", &[LIST], ANY),
    function("min", &[LIST], ANY),
    function("minus", &[NUMBER_OR_SET, NUMBER_OR_SET], NUMBER_OR_SET).infix("-"),
    function("mul", &[NUMBER, NUMBER], NUMBER).infix("*"),
    function("neq", &[ANY, ANY], BOOLEAN).infix("!="),
    function("net.cidr_contains", &[STRING, STRING], BOOLEAN),
    function("net.cidr_contains_matches", &[CIDRS, CIDRS], PAIRS),
    function("net.cidr_expand", &[STRING], STRING_SET),
    function("net.cidr_intersects", &[STRING, STRING], BOOLEAN),
    function("net.cidr_is_valid", &[STRING], BOOLEAN),
    function("net.cidr_merge", &[CIDR_LIST], STRING_SET),
    function("net.cidr_overlap", &[STRING, STRING], BOOLEAN).deprecated(),
    function("net.lookup_ip_addr", &[STRING], STRING_SET).nondeterministic(),
    function("numbers.range", &[NUMBER, NUMBER], NUMBERS),
    function("numbers.range_step", &[NUMBER, NUMBER, NUMBER], NUMBERS),
    function("object.filter", &[OBJECT, COLLECTION], OBJECT),
    function("object.get", &[OBJECT, ANY, ANY], ANY),
    function("object.keys", &[OBJECT], SET),
    function("object.remove", &[OBJECT, COLLECTION], OBJECT),
    function("object.subset", &[COLLECTION, COLLECTION], BOOLEAN),
    function("object.union", &[OBJECT, OBJECT], OBJECT),
    function("object.union_n", &[OBJECTS], OBJECT),
    function("opa.runtime", &[], RECORD).nondeterministic(),
    function("or", &[SET, SET], SET).infix("|"),
    function("plus", &[NUMBER, NUMBER], NUMBER).infix("+"),
    procedure("print", &[]).variadic(),
    function("product", &[NUMBER_LIST], NUMBER),
    function("providers.aws.sign_req", &[RECORD, RECORD, NUMBER], OBJECT),
    function("rand.intn", &[STRING, NUMBER], NUMBER).nondeterministic(),
    function("re_match", &[STRING, STRING], BOOLEAN).deprecated(),
    function("regate.jwks", &[STRING, STRING], STRING).nondeterministic(),
    function(
        "regex.find_all_string_submatch_n",
        &[STRING, STRING, NUMBER],
        GROUPS,
    ),
    function("regex.find_n", &[STRING, STRING, NUMBER], STRINGS),
    function("regex.globs_match", &[STRING, STRING], BOOLEAN),
    function("regex.is_valid", &[STRING], BOOLEAN),
    function("regex.match", &[STRING, STRING], BOOLEAN),
    function("regex.replace", &[STRING, STRING, STRING], STRING),
    function("regex.split", &[STRING, STRING], STRINGS),
    function("regex.template_match", &[STRING, STRING, STRING, STRING], BOOLEAN),
    function("rego.metadata.chain", &[], ARRAY),
    function("rego.metadata.rule", &[], ANY),
    function("rego.parse_module", &[STRING, STRING], RECORD),
    function("rem", &[NUMBER, NUMBER], NUMBER).infix("%"),
    function("replace", &[STRING, STRING, STRING], STRING),
    function("round", &[NUMBER], NUMBER),
    function("semver.compare", &[STRING, STRING], NUMBER),
    function("semver.is_valid", &[ANY], BOOLEAN),
    function("set_diff", &[SET, SET], SET).deprecated(),
    function("sort", &[LIST], ARRAY),
    function("split", &[STRING, STRING], STRINGS),
    function("sprintf", &[STRING, ARRAY], STRING),
    function("startswith", &[STRING, STRING], BOOLEAN),
    function(
        "strings.any_prefix_match",
        &[TEXT_OR_TEXTS, TEXT_OR_TEXTS],
        BOOLEAN,
    ),
    function(
        "strings.any_suffix_match",
        &[TEXT_OR_TEXTS, TEXT_OR_TEXTS],
        BOOLEAN,
    ),
    function("strings.count", &[STRING, STRING], NUMBER),
    function("strings.render_template", &[STRING, RECORD], STRING),
    function("strings.replace_n", &[STRING_MEMBERS, STRING], STRING),
    function("strings.reverse", &[STRING], STRING),
    function("strings.split_n", &[STRING, STRING, NUMBER], STRINGS),
    function("substring", &[STRING, NUMBER, NUMBER], STRING),
    function("sum", &[NUMBER_LIST], NUMBER),
    function("time.add_date", &[NUMBER, NUMBER, NUMBER, NUMBER], NUMBER),
    function("time.clock", &[TIME], THREE_NUMBERS),
    function("time.date", &[TIME], THREE_NUMBERS),
    function("time.diff", &[TIME, TIME], SIX_NUMBERS),
    function("time.format", &[FORMATTED_TIME], STRING),
    function("time.now_ns", &[], NUMBER).nondeterministic(),
    function("time.parse_duration_ns", &[STRING], NUMBER),
    function("time.parse_ns", &[STRING, STRING], NUMBER),
    function("time.parse_rfc3339_ns", &[STRING], NUMBER),
    function("time.weekday", &[TIME], STRING),
    function("to_number", &[SCALAR], NUMBER),
    function("trace", &[STRING], BOOLEAN),
    function("trim", &[STRING, STRING], STRING),
    function("trim_left", &[STRING, STRING], STRING),
    function("trim_prefix", &[STRING, STRING], STRING),
    function("trim_right", &[STRING, STRING], STRING),
    function("trim_space", &[STRING], STRING),
    function("trim_suffix", &[STRING, STRING], STRING),
    function("type_name", &[ANY], STRING),
    function("union", &[SETS], SET),
    function("units.parse", &[STRING], NUMBER),
    function("units.parse_bytes", &[STRING], NUMBER),
    function("upper", &[STRING], STRING),
    function("uri.is_valid", &[STRING], BOOLEAN),
    function("uri.parse", &[STRING], STRING_MEMBERS),
    function("urlquery.decode", &[STRING], STRING),
    function("urlquery.decode_object", &[STRING], QUERY),
    function("urlquery.encode", &[STRING], STRING),
    function("urlquery.encode_object", &[QUERY_MEMBERS], STRING),
    function("uuid.parse", &[STRING], RECORD),
    function("uuid.rfc4122", &[STRING], STRING).nondeterministic(),
    function("walk", &[ANY], PATH_AND_VALUE).relation(),
    function("yaml.is_valid", &[STRING], BOOLEAN),
    function("yaml.marshal", &[ANY], STRING),
    function("yaml.unmarshal", &[STRING], ANY),
];
