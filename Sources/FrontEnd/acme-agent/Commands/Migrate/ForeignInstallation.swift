import ACME
import CertificateStore
import JOSE

/// What an installation of another tool has.
struct ForeignInstallation {
    var certificates: [ForeignCertificate] = []
    /// What cannot be read, by its name in the folder.
    var damaged: [(name: String, fault: ForeignFault)] = []
    /// Programs that run for every certificate.
    var hooks: [ForeignHook] = []
    /// Sentences about the whole.
    var notes: [String] = []

    /// Adds the certificate that `read` makes. What is damaged hides no other.
    mutating func add(_ name: String, _ read: () throws(ForeignFault) -> ForeignCertificate?) {
        do throws(ForeignFault) {
            guard var certificate = try read() else { return }
            certificate.checkWays()
            certificates.append(certificate)
        } catch { damaged.append((name, error)) }
    }

    /// In bytes. The files of these tools have a few hundred.
    static let longestFile = 64 * 1024

    /// The names and the key type of a certificate in a file.
    static func content(_ pem: [UInt8]) throws(ForeignFault) -> (names: [Identifier], keyType: KeyAlgorithm?) {
        do throws(StoreError) {
            let chain = try CertificateChain(pem: pem), names = try chain.identifiers()
            guard !names.isEmpty else { throw StoreError(.chainRefused, message: "it has no subjectAltName") }
            return (names, chain.spki.flatMap { try? PublicKey(spki: $0) }?.algorithm)
        } catch { throw ForeignFault(error.message) }
    }

    /// The CA that has `url`, such as a certificate's: one of `directories`, or a public one.
    static func ca(of url: ACMEURL, among directories: [ACMEURL] = []) -> ForeignCertificate.CA {
        let known = directories + PublicCA.all.compactMap { try? ACMEURL($0.directory) }
        if let directory = known.first(where: { $0.origin == url.origin }) { return .directory(directory) }
        return .unlisted(host: url.port == 443 ? url.host : "\(url.host):\(url.port)")
    }

    static func identifier(_ text: String) throws(ForeignFault) -> Identifier {
        do { return try Identifier(argument: text) } catch { throw ForeignFault("\(error)") }
    }
}

/// The tools whose installations can be read.
enum ForeignTool: String, CaseIterable {
    case certbot, lego
    case acmeShell = "acme.sh"
    case caddy

    /// Where the tool keeps its files if nothing else is said.
    func defaultFolder(home: String?) throws(Failure) -> String {
        switch self {
        case .certbot: return "/etc/letsencrypt"
        case .lego: return ".lego"
        case .acmeShell:
            guard let home else {
                throw Failure.usage("HOME is not set", hint: "name the folder: acme-agent migrate acme.sh FOLDER")
            }
            return home + "/.acme.sh"
        // The home directory of the user as which Debian's and Caddy's own packages run it.
        case .caddy: return "/var/lib/caddy/.local/share/caddy"
        }
    }

    func read(_ folder: ForeignFolder) throws(Failure) -> ForeignInstallation {
        do throws(ForeignFault) {
            switch self {
            case .certbot: return try CertbotInstallation.read(folder)
            case .lego: return try LegoInstallation.read(folder)
            case .acmeShell: return try AcmeShellInstallation.read(folder)
            case .caddy: return try CaddyInstallation.read(folder)
            }
        } catch { throw Failure("file", .failed, "\"\(TerminalText.safe(folder.path))\": \(TerminalText.safe(error.reason))") }
    }

    /// How its renewals are ended.
    var farewell: String {
        switch self {
        case .certbot: "systemctl disable --now certbot.timer (or remove certbot's line from cron)"
        case .lego: "remove the timer or the line in cron that runs lego"
        case .acmeShell: "acme.sh --uninstall-cronjob"
        case .caddy: "in the Caddyfile, let the sites listen as http://NAME:8080 or the like, behind the server that serves TLS"
        }
    }
}
