import ACME
import Glibc
import Issuance

/// How challenges are answered.
enum ChallengeMethod: Sendable, Equatable {
    /// http-01 with a built-in listener on these addresses.
    case listener([ListenAddress])
    /// http-01 with files in the folder that a running web server serves.
    case webroot(String)
    /// dns-01 with a program that creates the TXT record.
    case dnsHook(String)

    var isDNS: Bool {
        if case .dnsHook = self { return true }
        return false
    }

    /// Every address of this host, port 80: the CA connects there (RFC 8555 §8.3).
    static var standard: ChallengeMethod { .listener(everyAddress(port: standardPort)) }
    static let standardPort: UInt16 = 80
    /// As it is written in options and the configuration.
    static let standardAddress = "*:\(standardPort)"

    /// Includes IPv6 only if this host has it.
    private static func everyAddress(port: UInt16) -> [ListenAddress] {
        let texts = access("/proc/net/if_inet6", F_OK) == 0 ? ["[::]:\(port)", "0.0.0.0:\(port)"] : ["0.0.0.0:\(port)"]
        return texts.compactMap { try? ListenAddress($0) }
    }

    /// `IP:PORT`, an IPv6 address in brackets, or `*:PORT`.
    private static func addresses(_ text: String) throws(Failure) -> [ListenAddress] {
        if text.hasPrefix("*:"), let port = UInt16(text.dropFirst(2)), port > 0 { return everyAddress(port: port) }
        if let address = try? ListenAddress(text), address.port > 0 { return [address] }
        throw .usage(
            "\"\(TerminalText.safe(text, limit: 80))\" is not an address and port",
            hint: "write 192.0.2.1:80 or [2001:db8::1]:80, or *:80 for all addresses")
    }

    /// At most one of the three may be given.
    /// - Throws: a usage `Failure` if several are given.
    init?(addresses: [String], webroot: String?, dnsHook: String?) throws(Failure) {
        let given = [addresses.isEmpty ? nil : "http01-address", webroot == nil ? nil : "webroot", dnsHook == nil ? nil : "dns-hook"]
            .compactMap(\.self)
        guard given.count < 2 else {
            throw .usage("\(given[0]) and \(given[1]) cannot be combined", hint: "choose one way to answer challenges")
        }
        if let webroot {
            self = .webroot(webroot)
        } else if let dnsHook {
            self = .dnsHook(dnsHook)
        } else if !addresses.isEmpty {
            var parsed: [ListenAddress] = []
            for text in addresses {
                parsed += try ChallengeMethod.addresses(text)
            }
            self = .listener(parsed)
        } else {
            return nil
        }
    }

    /// The solver of `Issuance`.
    /// - Parameter dnsWait: seconds to wait after the DNS hook before telling the CA.
    func solver(dnsWait: Int) -> any ChallengeSolver {
        switch self {
        case .listener(let addresses): HTTP01Listener(addresses: addresses)
        case .webroot(let folder): HTTP01Webroot(root: folder)
        case .dnsHook(let program): DNS01Hook(program: Hooks.program(program), settle: .seconds(dnsWait))
        }
    }
}
