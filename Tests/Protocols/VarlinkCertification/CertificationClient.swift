import StrictJSON
import Varlink

/// The client to run against other implementations' certification services: every reply's parameters are the next
/// call's.
enum CertificationClient {
    struct Failed: Error, CustomStringConvertible {
        let description: String
    }

    static func run(_ connection: VarlinkConnection) async throws {
        let client = try await connection.call(name("Start")).parameters.string("client_id")
        var members = ""
        for method in CertificationSteps.methods.dropFirst() {
            let parameters = Array("{\"client_id\":\"\(client)\"\(members.isEmpty ? "" : ",")\(members)}".utf8)
            switch method {
            case "Test10":
                var strings: [String] = []
                for try await reply in try connection.callMore(name(method), parameters: parameters) {
                    strings.append("\"\(try reply.parameters.string("string"))\"")
                }
                members = "\"last_more_replies\":[\(strings.joined(separator: ","))]"
            case "Test11":
                try await connection.callOneway(name(method), parameters: parameters)
                members = ""
            default:
                let reply = try await connection.call(name(method), parameters: parameters, timeout: .seconds(10)).parameters
                try check(reply, method)
                members = carriedOver(reply)
            }
        }
    }

    private static func check(_ reply: JSONObject, _ method: String) throws {
        let wanted = try CanonicalJSON.text(of: "{\(CertificationSteps.replies[method] ?? "")}")
        // The Python service gives Test09's reply a client_id that the interface does not have.
        let got = try CanonicalJSON.text(of: "{\(carriedOver(reply))}")
        guard got == wanted else { throw Failed(description: "\(method) gave \(got) and not \(wanted)") }
    }

    private static func carriedOver(_ reply: JSONObject) -> String {
        reply.filter { !$0.isNamed("client_id") && !$0.value.isNull }
            .map { "\"\($0.name)\":" + String(decoding: $0.value.source, as: UTF8.self) }.joined(separator: ",")
    }

    private static func name(_ method: String) -> String { "\(CertificationSteps.interface).\(method)" }
}
