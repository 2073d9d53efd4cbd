/// Documents that TOML 1.0.0 allows, and their content (see `shown`), by production of its ABNF.
enum ValidDocuments {
    static let all: [(text: String, value: String)] =
        structure + keys + basicStrings + literalStrings + multilineStrings + integers + floats + booleans + moments + arrays + inlineTables
        + tables + arraysOfTables

    // toml, expression, ws, newline, comment
    private static let structure: [(text: String, value: String)] = [
        ("", "{}"),
        ("\n\n\r\n", "{}"),
        ("# only a comment", "{}"),
        ("  \t# blanks before it\n", "{}"),
        ("#", "{}"),
        ("# ünïcode and \t tab\r\na=1", "{a = 1}"),
        ("a = 1 # after a value", "{a = 1}"),
        ("a=1\r\nb=2\r\n", "{a = 1, b = 2}"),
        ("a\t=\t1\t", "{a = 1}"),
        ("[a] # after a header\nb = 1", "{a = {b = 1}}"),
        ("\u{FEFF}a = 1", "{a = 1}"),
        ("a = \"#\" # no comment before this", "{a = \"#\"}"),
        ("a = [ # in an array\n1, # between values\n2 # last\n]", "{a = [1, 2]}"),
    ]

    // key, simple-key, unquoted-key, quoted-key, dotted-key, keyval
    private static let keys: [(text: String, value: String)] = [
        ("a-b_C9 = 1", "{a-b_C9 = 1}"),
        ("1234 = 1", "{1234 = 1}"),
        ("- = 1\n_ = 2", "{- = 1, _ = 2}"),
        ("true = 1\ninf = 2\n1979-05-27 = 3", "{true = 1, inf = 2, 1979-05-27 = 3}"),
        ("\"a b\" = 1", "{\"a b\" = 1}"),
        ("'a \"b\"' = 1", "{\"a \\\"b\\\"\" = 1}"),
        ("\"\" = 1", "{\"\" = 1}"),
        ("'' = 1", "{\"\" = 1}"),
        ("\"\\u00e9\" = 1", "{\"é\" = 1}"),
        ("'\\n' = 1", "{\"\\\\n\" = 1}"),
        ("\"a\\nb\" = 1", "{\"a\\nb\" = 1}"),
        ("a.b.c = 1\na.b.d = 2", "{a = {b = {c = 1, d = 2}}}"),
        ("a . b\t.\tc = 1", "{a = {b = {c = 1}}}"),
        ("a.\"b.c\".'d' = 1", "{a = {\"b.c\" = {d = 1}}}"),
        ("3.14 = 1", "{3 = {14 = 1}}"),
        ("a.b = 1\nc = 2\na.d = 3", "{a = {b = 1, d = 3}, c = 2}"),
        // Canonical equivalents are two keys: keys are compared as bytes.
        ("\"\u{E9}\" = 1\n\"e\u{301}\" = 2", "{\"é\" = 1, \"e\u{301}\" = 2}"),
        ("a = 1\nA = 2", "{a = 1, A = 2}"),
    ]

    // basic-string, basic-char, escaped
    private static let basicStrings: [(text: String, value: String)] = [
        ("a = \"\"", "{a = \"\"}"),
        ("a = \"text\"", "{a = \"text\"}"),
        ("a = \"\\b\\t\\n\\f\\r\\\"\\\\\"", "{a = \"\\b\\t\\n\\f\\r\\\"\\\\\"}"),
        ("a = \"\\u0041\\U0001F600\\u00e9\\uD7FF\\uE000\"", "{a = \"A😀é\u{D7FF}\u{E000}\"}"),
        ("a = \"\\U0010FFFF\\u0000\"", "{a = \"\u{10FFFF}\\0\"}"),
        ("a = \"tab\there\"", "{a = \"tab\\there\"}"),
        ("a = \"'single' ünïcode 😀 \u{80}\"", "{a = \"'single' ünïcode 😀 \u{80}\"}"),
    ]

    // literal-string
    private static let literalStrings: [(text: String, value: String)] = [
        ("a = ''", "{a = \"\"}"),
        ("a = 'C:\\Users\\n'", "{a = \"C:\\\\Users\\\\n\"}"),
        ("a = 'a \"quoted\" é\ttab'", "{a = \"a \\\"quoted\\\" é\\ttab\"}"),
        ("a = '#'", "{a = \"#\"}"),
    ]

    // ml-basic-string, mlb-escaped-nl, mlb-quotes, ml-literal-string, mll-quotes
    private static let multilineStrings: [(text: String, value: String)] = [
        ("a = \"\"\"\"\"\"", "{a = \"\"}"),
        ("a = \"\"\"\n\"\"\"", "{a = \"\"}"),
        ("a = \"\"\"\r\none\r\ntwo\"\"\"", "{a = \"one\\ntwo\"}"),
        ("a = \"\"\"\n\none\n\"\"\"", "{a = \"\\none\\n\"}"),
        ("a = \"\"\"one \\\n   \t\n\n  two\"\"\"", "{a = \"one two\"}"),
        ("a = \"\"\"one \\  \t\r\n  two\"\"\"", "{a = \"one two\"}"),
        ("a = \"\"\"\\\n\"\"\"", "{a = \"\"}"),
        ("a = \"\"\"one\\\\\ntwo\"\"\"", "{a = \"one\\\\\\ntwo\"}"),
        ("a = \"\"\"\"one\"\" and \"two\"\"\"\"\"", "{a = \"\\\"one\\\"\\\" and \\\"two\\\"\\\"\"}"),
        ("a = \"\"\"\"\"\"\"", "{a = \"\\\"\"}"),
        ("a = \"\"\"\"\"\"\"\"", "{a = \"\\\"\\\"\"}"),
        ("a = \"\"\"\\\"\"\"\"", "{a = \"\\\"\"}"),
        ("a = \"\"\"\\u0041\\t\"\"\"", "{a = \"A\\t\"}"),
        ("a = ''''''", "{a = \"\"}"),
        ("a = '''\none\\n\ntwo'''", "{a = \"one\\\\n\\ntwo\"}"),
        ("a = '''one\\\ntwo'''", "{a = \"one\\\\\\ntwo\"}"),
        ("a = ''''one'' and 'two'''''", "{a = \"'one'' and 'two''\"}"),
        ("a = '''\"\"\"'''", "{a = \"\\\"\\\"\\\"\"}"),
        ("a = \"\"\"# [b] = 1\"\"\"", "{a = \"# [b] = 1\"}"),
    ]

    // dec-int, hex-int, oct-int, bin-int
    private static let integers: [(text: String, value: String)] = [
        ("a = 0", "{a = 0}"),
        ("a = +0\nb = -0", "{a = 0, b = 0}"),
        ("a = +99\nb = -17", "{a = 99, b = -17}"),
        ("a = 1_000_000\nb = 1_2_3", "{a = 1000000, b = 123}"),
        ("a = 9223372036854775807\nb = -9223372036854775808", "{a = 9223372036854775807, b = -9223372036854775808}"),
        ("a = 0xDEADBEEF\nb = 0xdead_beef", "{a = 3735928559, b = 3735928559}"),
        ("a = 0x00ff\nb = 0o01234567\nc = 0b1101_0110", "{a = 255, b = 342391, c = 214}"),
        ("a = 0x7fffffffffffffff", "{a = 9223372036854775807}"),
        ("a = 0x0\nb = 0o0\nc = 0b0", "{a = 0, b = 0, c = 0}"),
    ]

    // float, float-int-part, exp, frac, special-float
    private static let floats: [(text: String, value: String)] = [
        ("a = 1.0\nb = -0.01\nc = +3.1415", "{a = 1.0, b = -0.01, c = 3.1415}"),
        ("a = 0.0\nb = -0.0", "{a = 0.0, b = -0.0}"),
        ("a = 5e+22\nb = 1e06\nc = -2E-2", "{a = 5e+22, b = 1000000.0, c = -0.02}"),
        ("a = 6.626e-34\nb = 1.5e00", "{a = 6.626e-34, b = 1.5}"),
        ("a = 224_617.445_991_228\nb = 1e1_0", "{a = 224617.445991228, b = 10000000000.0}"),
        ("a = inf\nb = +inf\nc = -inf", "{a = inf, b = inf, c = -inf}"),
        ("a = nan\nb = +nan\nc = -nan", "{a = nan, b = nan, c = nan}"),
        ("a = 0e0", "{a = 0.0}"),
        ("a = 1e400", "{a = inf}"),
    ]

    // boolean
    private static let booleans: [(text: String, value: String)] = [
        ("a = true\nb = false", "{a = true, b = false}")
    ]

    // offset-date-time, local-date-time, local-date, local-time
    private static let moments: [(text: String, value: String)] = [
        ("a = 1979-05-27T07:32:00Z", "{a = 1979-5-27 7:32:0.0 +0}"),
        ("a = 1979-05-27t07:32:00z", "{a = 1979-5-27 7:32:0.0 +0}"),
        ("a = 1979-05-27 07:32:00-07:30", "{a = 1979-5-27 7:32:0.0 -450}"),
        ("a = 1979-05-27T00:32:00.999999+14:00", "{a = 1979-5-27 0:32:0.999999000 +840}"),
        ("a = 1979-05-27T07:32:00", "{a = 1979-5-27 7:32:0.0}"),
        ("a = 1979-05-27 00:32:00.5 # comment", "{a = 1979-5-27 0:32:0.500000000}"),
        ("a = 1979-05-27", "{a = 1979-5-27}"),
        ("a = 1979-05-27 # comment", "{a = 1979-5-27}"),
        ("a = [1979-05-27 ,1979-05-28 ]", "{a = [1979-5-27, 1979-5-28]}"),
        ("a = 07:32:00\nb = 23:59:60.123456789999", "{a = 7:32:0.0, b = 23:59:60.123456789}"),
        ("a = 2000-02-29\nb = 2024-02-29", "{a = 2000-2-29, b = 2024-2-29}"),
        ("a = 0000-01-01\nb = 9999-12-31T23:59:59Z", "{a = 0-1-1, b = 9999-12-31 23:59:59.0 +0}"),
    ]

    // array, array-values
    private static let arrays: [(text: String, value: String)] = [
        ("a = []", "{a = []}"),
        ("a = [\n\n]", "{a = []}"),
        ("a = [1,2,]", "{a = [1, 2]}"),
        ("a = [ 1 , \"b\", 2.0, true, 1979-05-27 ]", "{a = [1, \"b\", 2.0, true, 1979-5-27]}"),
        ("a = [[1, 2], [\"a\", []]]", "{a = [[1, 2], [\"a\", []]]}"),
        ("a = [\n  1,\r\n\t2\n  ,\n]", "{a = [1, 2]}"),
        ("a = [{b = 1}, {b = 2}]", "{a = [{b = 1}, {b = 2}]}"),
        ("a = ['''\n]''', \"\"\"\n,\"\"\"]", "{a = [\"]\", \",\"]}"),
    ]

    // inline-table, inline-table-keyvals
    private static let inlineTables: [(text: String, value: String)] = [
        ("a = {}", "{a = {}}"),
        ("a = { \t }", "{a = {}}"),
        ("a = {b = 1, c = \"d\"}", "{a = {b = 1, c = \"d\"}}"),
        ("a = {b.c = 1, b.d = 2, 'e f' = 3}", "{a = {b = {c = 1, d = 2}, \"e f\" = 3}}"),
        ("a = {b = {c = {}}}", "{a = {b = {c = {}}}}"),
        ("a = {b = [\n1,\n# comment\n2]}", "{a = {b = [1, 2]}}"),
        ("a = {b = '''\n\n'''}", "{a = {b = \"\\n\"}}"),
        ("a.b = {c = 1}", "{a = {b = {c = 1}}}"),
    ]

    // std-table
    private static let tables: [(text: String, value: String)] = [
        ("[a]", "{a = {}}"),
        ("[ a . \"b c\" . 'd' ]\nx = 1", "{a = {\"b c\" = {d = {x = 1}}}}"),
        ("[a.b]\nx = 1\n[a]\ny = 2", "{a = {b = {x = 1}, y = 2}}"),
        ("[a]\nx = 1\n[a.b]\ny = 2", "{a = {x = 1, b = {y = 2}}}"),
        ("[a]\n[b]\n[a.c]", "{a = {c = {}}, b = {}}"),
        ("[\"\"]\nx = 1", "{\"\" = {x = 1}}"),
        ("[a.b.c]\n[a]\nb.d = 1", "{a = {b = {c = {}, d = 1}}}"),
        ("[a]\nb.c = 1\nb.d.e = 2\n[a.b.f]\ng = 3", "{a = {b = {c = 1, d = {e = 2}, f = {g = 3}}}}"),
        ("a.b = 1\n[a.c]\nd = 2", "{a = {b = 1, c = {d = 2}}}"),
        ("\t[a]\n\tb = 1", "{a = {b = 1}}"),
        ("[1979-05-27.12]\na = 1", "{1979-05-27 = {12 = {a = 1}}}"),
    ]

    // array-table
    private static let arraysOfTables: [(text: String, value: String)] = [
        ("[[a]]\nb = 1\n[[a]]\nb = 2", "{a = [{b = 1}, {b = 2}]}"),
        ("[[a]]\n[[a]]", "{a = [{}, {}]}"),
        ("[[a]]\n[a.b]\nc = 1\n[[a]]\n[a.b]\nc = 2", "{a = [{b = {c = 1}}, {b = {c = 2}}]}"),
        ("[[a]]\n[[a.b]]\nc = 1\n[[a.b]]\nc = 2\n[[a]]\n[[a.b]]\nc = 3", "{a = [{b = [{c = 1}, {c = 2}]}, {b = [{c = 3}]}]}"),
        ("[[a.b]]\nc = 1\n[a]\nd = 2", "{a = {b = [{c = 1}], d = 2}}"),
        ("[[ a . b ]]", "{a = {b = [{}]}}"),
        ("[[a]]\nb.c = 1\n[[a]]\nb.c = 2", "{a = [{b = {c = 1}}, {b = {c = 2}}]}"),
        ("[a]\n[[a.b]]\n[a.b.c]\nd = 1", "{a = {b = [{c = {d = 1}}]}}"),
    ]
}
