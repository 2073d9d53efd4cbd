import ACME
import CertificateStore
import DurableFile
import JOSE

/// A certificate of another tool, in the terms of acme-agent.toml.
struct ForeignCertificate {
    /// The file that describes it.
    var source: String
    /// What the tool calls it; `nil` if that cannot be a certificate's name here.
    var name: CertificateName?
    /// At least one.
    var names: [Identifier]
    var ca = CA.unknown
    var keyType: KeyAlgorithm?
    /// How the names are proven; empty if the tool does not keep it.
    var ways: [Way] = []
    var settings: [Setting] = []
    var hooks: [ForeignHook] = []
    /// What the user should know; sentences.
    var notes: [String] = []
    /// What the user must decide or do before the part can be used; sentences. A part with any is commented out.
    var decisions: [String] = []

    enum CA: Equatable {
        case directory(ACMEURL)
        /// The tool does not keep it. The host of a URL of the CA, if one is known.
        case unlisted(host: String)
        case unknown
    }

    /// How some of the names are proven.
    struct Way {
        var names: [Identifier]
        var settings: [Setting]
        var isDNS = false
    }

    /// A setting of acme-agent.toml.
    struct Setting: Equatable {
        enum Value: Equatable {
            case text(String)
            case texts([String])
            case number(Int)
            case flag(Bool)
        }

        var key: String
        var value: Value
        /// Whether the user must uncomment it.
        var isProposal = false

        init(_ key: String, _ value: Value, isProposal: Bool = false) {
            self.key = key
            self.value = value
            self.isProposal = isProposal
        }

        /// One line of TOML.
        var line: String {
            let text =
                switch value {
                case .text(let text): TOMLText.string(text)
                case .texts(let texts): TOMLText.strings(texts)
                case .number(let number): "\(number)"
                case .flag(let flag): "\(flag)"
                }
            return "\(isProposal ? "#" : "")\(key) = \(text)"
        }
    }

    /// A listener of its own needs a free port, and what ran before it is most likely what freed the port.
    mutating func checkPreHooks(_ hooks: [ForeignHook]) {
        let listens = ways.contains { $0.settings.contains { ["http01-address", "tls-alpn01-address"].contains($0.key) } }
        guard listens, let hook = hooks.first(where: { $0.kind == "pre" }) else { return }
        decisions.append(
            "\(TOMLText.string(hook.command)) ran before its names were proven, perhaps to stop a server. acme-agent stops none: set "
                + "webroot to a folder that the server serves, or see \"Port 80\" and \"Port 443\" in operations.md.")
    }

    /// Says which names the ways cannot prove.
    mutating func checkWays() {
        for way in ways {
            let wildcards = way.names.filter(\.isWildcard)
            if !way.isDNS, !wildcards.isEmpty {
                decisions.append(
                    "Only DNS can prove \(Wording.list(wildcards)): set dns-update, dns-hook or dns-persist.")
            }
            let addresses = way.names.filter { if case .ip = $0 { true } else { false } }
            if way.isDNS, !addresses.isEmpty {
                decisions.append(
                    "DNS cannot prove the address \(Wording.list(addresses)): set http01-address, webroot or tls-alpn01-address.")
            }
        }
        checkPreHooks(hooks)
        if ways.isEmpty, names.contains(where: \.isWildcard) {
            decisions.append("A wildcard needs a way by DNS: set dns-update, dns-hook or dns-persist.")
        }
    }
}

/// A program that another tool runs.
struct ForeignHook: Equatable {
    /// When the tool runs it, as the tool calls it.
    var kind: String
    /// As it is given to a shell.
    var command: String
    /// Whether it names a private key's file, as far as that can be seen.
    var readsKey: Bool

    /// In bytes; a longer script is not a hook that anybody reads.
    private static let longestScript = 256 * 1024

    /// - Parameter keyWords: what a script that reads the key's file contains.
    init(_ kind: String, _ command: String, keyWords: [String]) {
        self.kind = kind
        self.command = command
        readsKey =
            ForeignHook.mentions(Array(command.utf8), keyWords)
            || ForeignHook.scripts(in: command).contains { path in
                // Read only to look for a word: whose file it is does not matter.
                let script = try? DurableFile.read(path, limit: ForeignHook.longestScript)
                return script.map { ForeignHook.mentions($0, keyWords) } ?? false
            }
    }

    private static func mentions(_ text: [UInt8], _ words: [String]) -> Bool {
        words.contains { !$0.isEmpty && text.firstRange(of: Array($0.utf8)) != nil }
    }

    /// The absolute paths in a shell command.
    private static func scripts(in command: String) -> [String] {
        let words = command.split { $0.isWhitespace || ";&|\"'()<>`$=".contains($0) }
        return words.filter { $0.hasPrefix("/") }.prefix(16).map(String.init)
    }

    /// Whether it is one absolute path, which acme-agent can run as it is.
    var isProgram: Bool {
        command.hasPrefix("/")
            && command.utf8.allSatisfy { byte in
                Base64URL.isLetter(byte) || "/._-+@".utf8.contains(byte)
            }
    }

    /// A hook of acme-agent that reloads the same server; `nil` if none is known.
    var replacement: String? {
        for server in ["nginx", "haproxy", "apache", "postfix", "dovecot"] where command.contains(server) {
            return "\(Deployment.sharedFolder)/acme-agent/deploy-hooks/reload-\(server)"
        }
        return nil
    }
}
