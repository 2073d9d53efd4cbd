/// The steps of `org.varlink.certification`: the methods in order, and what each returns, which the next one takes.
enum CertificationSteps {
    static let interface = "org.varlink.certification"
    static let methods = [
        "Start", "Test01", "Test02", "Test03", "Test04", "Test05", "Test06", "Test07", "Test08", "Test09", "Test10", "Test11", "End",
    ]
    static let replyCount = 10

    /// The members of a method's reply, if it is a single reply and the same for every client.
    static let replies: [String: String] = [
        "Test01": #""bool":true"#,
        "Test02": #""int":1"#,
        "Test03": #""float":1.0"#,
        "Test04": #""string":"ping""#,
        "Test05": scalars,
        "Test06": #""struct":{\#(scalars)}"#,
        "Test07": #""map":{"foo":"Foo","bar":"Bar"}"#,
        "Test08": #""set":{"one":{},"two":{},"three":{}}"#,
        "Test09": myType,
        "Test11": "",
        "End": #""all_ok":true"#,
    ]

    static let lastMoreReplies = (1...replyCount).map { "\"Reply number \($0)\"" }.joined(separator: ",")

    /// The members of a method's parameters, without `client_id`.
    static func parameters(of method: String) -> String? {
        switch method {
        case "Start", "Test01", "End": return ""
        case "Test11": return "\"last_more_replies\":[\(lastMoreReplies)]"
        default:
            guard let index = methods.firstIndex(of: method), index > 0 else { return nil }
            return replies[methods[index - 1]]
        }
    }

    private static let scalars = #""bool":false,"int":2,"float":\#(Double.pi),"string":"a lot of string""#

    private static let myType = """
        "mytype":{\
        "object":{"method":"org.varlink.certification.Test09","parameters":{"map":{"foo":"Foo","bar":"Bar"}}},\
        "enum":"two",\
        "struct":{"first":1,"second":"2"},\
        "array":["one","two","three"],\
        "dictionary":{"foo":"Foo","bar":"Bar"},\
        "stringset":{"one":{},"two":{},"three":{}},\
        "nullable":null,\
        "nullable_array_struct":null,\
        "interface":{"foo":[null,{"foo":"foo","bar":"bar"},null,{"one":"foo","two":"bar"}],"anon":{"foo":true,"bar":false}}}
        """
}
