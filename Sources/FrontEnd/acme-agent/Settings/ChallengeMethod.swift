import ACME
import Glibc
import Issuance

/// How challenges are answered.
enum ChallengeMethod: Sendable, Equatable {
    /// http-01 with a built-in listener on these addresses.
    case listener([ListenEndpoint])
    /// http-01 with files in the folder that a running web server serves.
    case webroot(String)
    /// tls-alpn-01 with a built-in listener on these addresses.
    case tlsListener([ListenEndpoint])
    /// dns-01 with a program that creates the TXT record.
    case dnsHook(DNSHook)
    /// dns-persist-01, with a record that is there already.
    case dnsPersist(DNSUpdateSettings)
    /// dns-01 with updates of the zone (RFC 2136).
    case dnsUpdate(DNSUpdateSettings)

    /// What it solves: a certificate has at most one method of each kind.
    enum Kind: String, Sendable { case http01 = "http-01", tlsALPN01 = "tls-alpn-01", dns01 = "dns-01", dnsPersist01 = "dns-persist-01" }

    var kind: Kind {
        switch self {
        case .listener, .webroot: .http01
        case .tlsListener: .tlsALPN01
        case .dnsHook, .dnsUpdate: .dns01
        case .dnsPersist: .dnsPersist01
        }
    }

    /// Its setting in the configuration.
    var setting: String {
        switch self {
        case .listener: "http01-address"
        case .webroot: "webroot"
        case .tlsListener: "tls-alpn01-address"
        case .dnsHook: "dns-hook"
        case .dnsUpdate: "dns-update"
        case .dnsPersist: "dns-persist"
        }
    }

    /// Whether `dns-wait` has a meaning for it.
    var canWait: Bool { kind == .dns01 }

    /// Whether it listens on an address, which only one order can at a time.
    var isListener: Bool {
        switch self {
        case .listener, .tlsListener: true
        default: false
        }
    }

    /// Every address of this host, port 80: the CA connects there (RFC 8555 §8.3).
    static var standard: ChallengeMethod { .listener(everyAddress(port: standardPort)) }
    static let standardPort: UInt16 = 80
    /// As it is written in options and the configuration.
    static let standardAddress = "*:\(standardPort)"
    /// Where a CA connects for tls-alpn-01 (RFC 8737 §3).
    static let standardTLSPort: UInt16 = 443

    /// Includes IPv6 only if this host has it.
    private static func everyAddress(port: UInt16) -> [ListenEndpoint] {
        let texts = access("/proc/net/if_inet6", F_OK) == 0 ? ["[::]:\(port)", "0.0.0.0:\(port)"] : ["0.0.0.0:\(port)"]
        return texts.compactMap { try? ListenEndpoint($0) }
    }

    /// `IP:PORT`, an IPv6 address in brackets, `*:PORT`, or `fd:NAME`.
    /// - Parameter port: the one that a public CA connects to, for the hint.
    static func endpoints(_ text: String, port standard: UInt16 = standardPort) throws(Failure) -> [ListenEndpoint] {
        if text.hasPrefix("*:"), let port = UInt16(text.dropFirst(2)), port > 0 { return everyAddress(port: port) }
        switch try? ListenEndpoint(text) {
        case .address(let address)? where address.port > 0: return [.address(address)]
        case .inherited(let name)?: return [.inherited(name)]
        default: break
        }
        throw .usage(
            "\"\(TerminalText.safe(text, limit: 80))\" is not an address and port",
            hint:
                "write 192.0.2.1:\(standard) or [2001:db8::1]:\(standard), *:\(standard) for all addresses, or fd:NAME for a socket of a socket unit"
        )
    }

    /// What the listeners of one order share.
    struct Sites: Sendable {
        let http01: HTTP01Listener.Site
        let tlsALPN01: TLSALPN01Listener.Site

        /// - Parameter observer: is told while one waits for an address.
        init(observer: @escaping IssuanceObserver) {
            http01 = HTTP01Listener.Site(observer: observer)
            tlsALPN01 = TLSALPN01Listener.Site(observer: observer)
        }
    }

    /// The solver of `Issuance`.
    /// - Parameters:
    ///   - sites: those of the order's other solvers.
    ///   - challenge: which challenge a method with TXT records answers.
    ///   - dnsWait: seconds to wait after the DNS hook before telling the CA, or at most for the servers of an updated zone.
    ///   - observer: is told while it waits.
    func solver(_ challenge: DNSChallenge, dnsWait: Int?, sites: Sites, observer: @escaping IssuanceObserver) -> any ChallengeSolver {
        switch self {
        case .listener(let addresses): HTTP01Listener(addresses, at: sites.http01)
        case .webroot(let folder): HTTP01Webroot(root: folder)
        case .tlsListener(let addresses): TLSALPN01Listener(addresses, at: sites.tlsALPN01)
        case .dnsHook(let hook): hook.solver(challenge, dnsWait: dnsWait ?? CertificateSettings.defaultDNSWait)
        case .dnsPersist(let settings): DNSPersist(settings, observer: observer)
        case .dnsUpdate(let settings):
            DNS01Update(settings, challenge: challenge, longestWait: Self.updateWait(dnsWait), observer: observer)
        }
    }

    /// How long the servers of an updated zone may take. No server is changed in no time: zero, the setting's default for
    /// hooks, stands for the time without the setting.
    static func updateWait(_ dnsWait: Int?) -> Duration? {
        guard let dnsWait, dnsWait > 0 else { return nil }
        return .seconds(dnsWait)
    }
}

/// The methods as they are written: in options, in the configuration, in the remembered file.
struct ChallengeTexts: Sendable, Equatable {
    var http01Address: [String] = []
    var webroot: String?
    var tlsALPN01Address: [String] = []
    var dnsHook: String?
    var dnsUpdate: String?
    var dnsKey: String?
    var dnsResolver: String?
    var dnsPersist = false
    var dnsCleanupHook: String?
    var hookProtocol: String?

    /// In order of preference: what needs no DNS first.
    /// - Returns: `nil` if none is given.
    /// - Throws: a usage `Failure` if two of the same kind are given.
    func methods() throws(Failure) -> [ChallengeMethod]? {
        var methods: [ChallengeMethod] = []
        // It needs neither a port nor a change.
        if let settings = try dnsPersistSettings() { methods.append(.dnsPersist(settings)) }
        if !http01Address.isEmpty {
            var parsed: [ListenEndpoint] = []
            for text in http01Address { parsed += try ChallengeMethod.endpoints(text) }
            methods.append(.listener(parsed))
        }
        if let webroot { methods.append(.webroot(webroot)) }
        if !tlsALPN01Address.isEmpty {
            var parsed: [ListenEndpoint] = []
            for text in tlsALPN01Address { parsed += try ChallengeMethod.endpoints(text, port: ChallengeMethod.standardTLSPort) }
            methods.append(.tlsListener(parsed))
        }
        if let dnsHook {
            methods.append(.dnsHook(try DNSHook(dnsHook, cleanup: dnsCleanupHook, hookProtocol: hookProtocol)))
        } else if let setting = dnsCleanupHook.map({ _ in "dns-cleanup-hook" }) ?? hookProtocol.map({ _ in "hook-protocol" }) {
            throw .usage("\(setting) has no effect without dns-hook", hint: "set dns-hook too, or remove \(setting)")
        }
        if let settings = try dnsUpdateSettings() { methods.append(.dnsUpdate(settings)) }
        for (index, method) in methods.enumerated() {
            guard let other = methods[..<index].first(where: { $0.kind == method.kind }) else { continue }
            throw .usage(
                "\(other.setting) and \(method.setting) cannot be combined",
                hint: "both answer \(method.kind.rawValue) challenges; choose one of them")
        }
        return methods.isEmpty ? nil : methods
    }

    private func dnsPersistSettings() throws(Failure) -> DNSUpdateSettings? {
        guard dnsPersist else { return nil }
        do throws(IssuanceError) {
            return try DNSUpdateSettings(server: DNSUpdateSettings.automatic, keyFile: nil, resolver: dnsResolver)
        } catch { throw .usage(error.description, hint: error.hint) }
    }

    private func dnsUpdateSettings() throws(Failure) -> DNSUpdateSettings? {
        guard let dnsUpdate else {
            if dnsKey != nil || (dnsResolver != nil && !dnsPersist) {
                throw .usage(
                    dnsKey != nil
                        ? "dns-key has no effect without dns-update" : "dns-resolver has no effect without dns-update or dns-persist",
                    hint: "dns-update names the server that takes updates, or \"\(DNSUpdateSettings.automatic)\" for the zone's primary")
            }
            return nil
        }
        do throws(IssuanceError) {
            return try DNSUpdateSettings(server: dnsUpdate, keyFile: dnsKey, resolver: dnsResolver)
        } catch { throw .usage(error.description, hint: error.hint) }
    }

    init() {}

    init(_ methods: [ChallengeMethod]) {
        for method in methods {
            switch method {
            case .listener(let addresses): http01Address = addresses.map(\.description)
            case .webroot(let folder): webroot = folder
            case .tlsListener(let addresses): tlsALPN01Address = addresses.map(\.description)
            case .dnsHook(let hook):
                dnsHook = hook.program
                dnsCleanupHook = hook.cleanup
                hookProtocol = hook.hookProtocol == .acmeAgent ? nil : hook.hookProtocol.rawValue
            case .dnsPersist(let settings): (dnsPersist, dnsResolver) = (true, settings.resolverText)
            case .dnsUpdate(let settings):
                (dnsUpdate, dnsKey, dnsResolver) = (settings.serverText, settings.keyFile, settings.resolverText)
            }
        }
    }
}
