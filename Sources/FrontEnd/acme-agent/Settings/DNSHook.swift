import ACME
import Issuance

/// A user's program for TXT records, and how it is called.
struct DNSHook: Sendable, Equatable, ExpressibleByStringLiteral {
    var program: String
    /// certbot has another program for this.
    var cleanup: String?
    var hookProtocol = HookProtocol.acmeAgent

    init(stringLiteral program: String) { self.program = program }

    /// - Throws: a usage `Failure` for a protocol that does not exist, or that has no second program.
    init(_ program: String, cleanup: String?, hookProtocol: String?) throws(Failure) {
        self.program = program
        self.cleanup = cleanup
        if let hookProtocol {
            guard let known = HookProtocol(rawValue: hookProtocol) else {
                throw .usage("hook-protocol \"\(TerminalText.safe(hookProtocol, limit: 40))\" is unknown", hint: DNSHook.choices)
            }
            self.hookProtocol = known
        }
        guard cleanup == nil || self.hookProtocol == .certbot else {
            throw .usage(
                "dns-cleanup-hook is for the hook protocol certbot", hint: "with the others the program of dns-hook removes the record too")
        }
    }

    static let choices = "choose one of \(HookProtocol.allCases.map(\.rawValue).joined(separator: ", "))"

    func solver(_ challenge: DNSChallenge, dnsWait: Int) -> DNS01Hook {
        DNS01Hook(
            program: Hooks.program(program), settle: .seconds(dnsWait), challenge: challenge, protocol: hookProtocol,
            cleanup: cleanup.map(Hooks.program))
    }
}
