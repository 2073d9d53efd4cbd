import ACME
import JOSE

/// Where a server listens.
struct ServerAddress: Equatable, CustomStringConvertible {
    var host: String
    var port: UInt16

    init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// `HOST:PORT`, with an IPv6 address in brackets.
    init(argument text: String) throws(Failure) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            throw Self.refused(text)
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw Self.refused(text)
        }
        // As an argument of openssl(1), a host must not begin like an option.
        guard !host.isEmpty, host.first != "-", host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw Self.refused(text) }
        self.init(host: String(host), port: port)
    }

    private static func refused(_ text: String) -> Failure {
        .usage(
            "\"\(TerminalText.safe(text, limit: 80))\" is not a host and port",
            hint: "--connect www.example.org:443, or [2001:db8::1]:443 for an IPv6 address")
    }

    /// Whether the name alone says that it is this machine.
    var isLocal: Bool { host == "localhost" || host == "::1" || host.hasPrefix("127.") }

    var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// The certificate that a port serves.
enum ServedCertificate: Equatable {
    case certificate([UInt8])
    /// The handshake failed, with openssl's reason.
    case unfinished(String)
    /// With openssl's reason.
    case refused(String)
    case noProgram

    /// - Parameters:
    ///   - startTLS: The protocol whose STARTTLS command is used.
    ///   - identifier: The name that the client asks for.
    static func fetch(from address: ServerAddress, startTLS: String?, for identifier: Identifier?) async throws -> ServedCertificate {
        // Not the system's configuration: it may restrict what a client accepts.
        guard let openssl = SystemProgram("openssl", environment: ["OPENSSL_CONF=/dev/null"]) else { return .noProgram }
        var arguments = ["s_client", "-connect", address.description, "-showcerts"]
        if let startTLS { arguments += ["-starttls", startTLS] }
        if let name = serverName(identifier) { arguments += ["-servername", name] } else { arguments.append("-noservername") }
        guard let answer = try await openssl.run(arguments) else { return .refused("it does not answer in time") }
        let reason = OpenSSLReason(output: answer.output)
        guard let der = first(in: answer.output) else {
            guard let reason else { return .refused("it sends no certificate") }
            return reason.isAlert ? .unfinished(reason.text) : .refused(reason.text)
        }
        // openssl does not verify the chain here: this says that the server could not sign.
        return answer.isSuccess ? .certificate(der) : .unfinished(reason?.text ?? "the server ends it")
    }

    /// For a wildcard, a name that it covers. Addresses are no server names (RFC 6066 §3).
    private static func serverName(_ identifier: Identifier?) -> String? {
        guard let identifier, identifier.type == "dns" else { return nil }
        return identifier.value.hasPrefix("*.") ? "www" + identifier.value.dropFirst() : identifier.value
    }

    /// The first PEM block of a certificate.
    static func first(in text: String) -> [UInt8]? {
        let lines = text.split(separator: "\n").drop { $0 != "-----BEGIN CERTIFICATE-----" }.dropFirst()
        let body = lines.prefix { !$0.hasPrefix("-----") }
        guard !body.isEmpty else { return nil }
        return Base64.decode(body.flatMap { Array($0.utf8) })
    }
}
