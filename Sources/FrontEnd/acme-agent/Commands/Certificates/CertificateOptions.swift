import ACME
import ACMEClient
import ArgumentParser
import CertificateStore
import Glibc
import Issuance
import JOSE

/// How a certificate is ordered: what `issue` and `renew` have in common.
struct CertificateOptions: ParsableArguments {
    @Option(
        name: .customLong("http01-address"),
        help: ArgumentHelp("Answer http-01 challenges by an own listener there; may be repeated. (default: port 80)", valueName: "ip:port"))
    var http01Address: [String] = []

    @Option(
        help: ArgumentHelp("Answer http-01 challenges by files in this web server's folder.", valueName: "folder"), completion: .directory)
    var webroot: String?

    @Option(
        help: ArgumentHelp("Answer dns-01 challenges by this program, called with present|cleanup NAME VALUE.", valueName: "program"),
        completion: .file())
    var dnsHook: String?

    @Option(help: ArgumentHelp("Wait so long between the dns hook's end and the CA's look.", valueName: "seconds"))
    var dnsWait: Int?

    @Option(
        help: ArgumentHelp("Type of a key that is made: P-256, P-384, RSA-2048, RSA-3072, RSA-4096 or Ed25519.", valueName: "type"),
        completion: .list(KeyAlgorithm.allCases.map(\.rawValue)))
    var keyType: String?

    @Flag(help: "Make a new key, though the certificate has one; the old one is retired.")
    var newKey = false

    @Option(
        help: ArgumentHelp("What becomes of the old key: retire, delete or keep.", valueName: "fate"),
        completion: .list(["retire", "delete", "keep"]))
    var oldKey = "retire"

    @Option(help: ArgumentHelp("The CA's name for a kind of certificate.", valueName: "profile"))
    var profile: String?

    @Option(help: ArgumentHelp("Prefer the chain to the root with this common name.", valueName: "cn"))
    var preferredChain: String?

    @Option(help: ArgumentHelp("Run this program when the certificate is installed.", valueName: "program"), completion: .file())
    var deployHook: String?

    @Option(
        help: ArgumentHelp("Write into this file, as JSON, when each step began and ended.", valueName: "file"), completion: .file())
    var timings: String?

    func validate() throws {
        if let dnsWait, !(0...3600).contains(dnsWait) { throw ValidationError("--dns-wait must be from 0 to 3600 seconds") }
    }

    /// As settings; relative paths become absolute, since a renewal runs elsewhere.
    var settings: CertificateSettings {
        get throws {
            var settings = CertificateSettings()
            settings.challenge = try ChallengeMethod(
                addresses: http01Address, webroot: webroot.map(CertificateOptions.absolute),
                dnsHook: dnsHook.map(CertificateOptions.absolute))
            settings.dnsWait = dnsWait
            settings.deployHook = try deployHook.map(CertificateOptions.absolute)
            settings.keyType = try keyType.map { try KeyAlgorithm(argument: $0) }
            settings.profile = profile
            settings.preferredChain = preferredChain
            return settings
        }
    }

    var oldKeyChoice: IssuanceRequest.OldKey {
        get throws(Failure) {
            switch oldKey {
            case "retire": .retire
            case "delete": .delete
            case "keep": .keep
            default:
                throw .usage("\"\(TerminalText.safe(oldKey, limit: 40))\" is no fate of a key", hint: "--old-key retire, delete or keep")
            }
        }
    }

    static func absolute(_ path: String) throws -> String {
        guard !path.isEmpty else { throw Failure.usage("a path is empty") }
        guard !path.hasPrefix("/") else { return path }
        guard let folder = getcwd(nil, 0) else { throw Failure.usage("the working folder is gone; give an absolute path") }
        defer { free(folder) }
        guard let name = String(validatingCString: folder) else {
            throw Failure.usage("the working folder's name is not valid UTF-8", hint: "give an absolute path, or work elsewhere")
        }
        return name + "/" + path
    }
}

extension CertificateName {
    /// A certificate's name, or the first of the names in it.
    init(argument: String) throws {
        do { try self.init(argument) } catch let error {
            guard let identifier = try? Identifier(argument: argument) else { throw error }
            self.init(identifier)
        }
    }
}

extension Session {
    /// Runs `body` with the flow that orders certificates at a CA, by its account.
    /// - Parameters:
    ///   - certificate: complete settings, except where a default is to hold.
    ///   - timings: are told when each step begins and ends.
    func withFlow<Result: Sendable>(
        at directory: ACMEURL, keys: any KeyProvider, _ certificate: CertificateSettings, _ display: ProgressDisplay,
        timings: Timings? = nil, _ body: (IssuanceFlow) async throws -> Result
    ) async throws -> Result {
        try await withTransport(to: directory) { connection in
            let method = certificate.challenge ?? .standard
            var store: any CertificateStore = store, transport: any HTTPTransport = connection, keys = keys
            var time: any Timekeeping = SystemTime(), solver = method.solver(dnsWait: certificate.dnsWait ?? 0)
            if let timings {
                store = TimedStore(base: store, timings: timings)
                transport = TimedTransport(base: transport, timings: timings)
                keys = TimedKeys(base: keys, timings: timings)
                time = TimedTime(base: time, timings: timings)
                solver = TimedSolver(base: solver, timings: timings)
            }
            let accounts = AccountFlow(store: store, keys: keys, transport: transport, time: time, observer: display.observer)
            let client = try await accounts.client(for: directory)
            client.warmUp()
            let flow = IssuanceFlow(
                issuer: try ACMEIssuer(client: client), store: store, keys: keys, solvers: [solver], time: time,
                deploy: certificate.deployHook.map(Hooks.deploy), observer: display.observer)
            return try await body(flow)
        }
    }

    /// Runs work that a signal cancels, and takes the progress away behind it.
    /// - Parameter file: where the work's timings go, however it ended.
    func followed<Result: Sendable>(
        _ display: ProgressDisplay, timings file: String? = nil, _ work: @escaping @Sendable (Timings?) async throws -> Result
    ) async throws -> Result {
        if let file { try Timings.check(file) }
        let timings = file.map { _ in Timings() }
        do {
            let result = try await Interruption.cancelling(notice: { Interruption.announce(display) }) { try await work(timings) }
            display.finish(summary: true)
            if let file { try timings?.write(to: file) }
            return result
        } catch {
            display.finish(summary: false)
            // The work's own failure is what counts.
            if let file { try? timings?.write(to: file) }
            throw error
        }
    }
}
