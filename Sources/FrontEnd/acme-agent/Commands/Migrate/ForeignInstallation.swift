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

    static func identifier(_ text: String) throws(ForeignFault) -> Identifier {
        do { return try Identifier(argument: text) } catch { throw ForeignFault("\(error)") }
    }
}

/// The tools whose installations can be read.
enum ForeignTool: String, CaseIterable {
    case certbot, lego
    case acmeShell = "acme.sh"

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
        }
    }

    func read(_ folder: ForeignFolder) throws(Failure) -> ForeignInstallation {
        do throws(ForeignFault) {
            switch self {
            case .certbot: return try CertbotInstallation.read(folder)
            case .lego: return try LegoInstallation.read(folder)
            case .acmeShell: return try AcmeShellInstallation.read(folder)
            }
        } catch { throw Failure("file", .failed, "\"\(TerminalText.safe(folder.path))\": \(TerminalText.safe(error.reason))") }
    }

    /// How its renewals are ended.
    var farewell: String {
        switch self {
        case .certbot: "systemctl disable --now certbot.timer (or remove certbot's line from cron)"
        case .lego: "remove the timer or the line in cron that runs lego"
        case .acmeShell: "acme.sh --uninstall-cronjob"
        }
    }
}
