import ACME
import CertificateStore
import Glibc
import Issuance

/// What root does with certificates that an unprivileged user has stored: a checked copy of its own, then hooks.
struct RootDeployment: Sendable {
    struct Report: Sendable {
        /// With the hooks that ran.
        var deployed: [(certificate: StoredCertificate, hooks: [String])] = []
        var unchanged: [CertificateName] = []
        var failed: [(name: CertificateName, failure: Failure)] = []

        var isEmpty: Bool { deployed.isEmpty && unchanged.isEmpty && failed.isEmpty }

        /// Adds a later look at the same store.
        mutating func add(_ later: Report) {
            deployed += later.deployed
            let changed = Set(deployed.map(\.certificate.name))
            let seen = Set(later.deployed.map(\.certificate.name) + later.unchanged + later.failed.map(\.name))
            unchanged = (unchanged.filter { !seen.contains($0) } + later.unchanged).filter { !changed.contains($0) }
            failed = failed.filter { !seen.contains($0.name) } + later.failed
        }
    }

    private let settings: Settings
    private let output: Output
    /// Root's.
    private let store: FolderStore
    private var directory: String { settings.rootDeployDirectory }

    /// Reads the settings again, from a file that only root can change.
    /// - Throws: `Failure` if there is no such file.
    init(_ session: Session, _ options: GlobalOptions) throws {
        output = session.output
        let file = session.settings.file
        var settings = try Settings(
            options, environment: Environment.current(),
            configured: file.map { path throws in try RootOwned.configuration(path) } ?? SettingsFile(),
            file: file)
        settings.stateDirectory = try AbsolutePath.of(settings.stateDirectory)
        self.settings = settings
        try settings.checkKeyFileGroup()
        store = Session(settings: settings, output: session.output).store(at: settings.rootDeployDirectory)
    }

    /// How often the store is listed again while certificates are installed. A service manager starts nobody for those
    /// that are installed while this runs; the timer does the rest.
    private static let looks = 10

    /// Every certificate for which there are hooks.
    func runAll() async throws -> Report {
        var report = Report()
        guard settings.hasRootDeployHooks else { return report }
        for _ in 0..<Self.looks {
            let installation = Installation(settings.stateDirectory)
            report.add(try await run(try foreign().certificateNames().filter { !settings.rootDeployHooks(of: $0).isEmpty }))
            guard Installation(settings.stateDirectory) != installation else { break }
        }
        return report
    }

    /// The last installation in a store: the file that is changed after each.
    private struct Installation: Equatable {
        private var number: UInt64 = 0
        private var seconds = 0
        private var nanoseconds = 0

        init(_ stateDirectory: String) {
            var status = stat()
            guard lstat(FolderStore.installationSignal(in: stateDirectory), &status) == 0 else { return }
            number = UInt64(status.st_ino)
            // Closing it changes no time; setting its mode does.
            seconds = status.st_ctim.tv_sec
            nanoseconds = status.st_ctim.tv_nsec
        }
    }

    /// - Throws: what concerns all of them. A certificate's own failure is in the report.
    func run(_ names: [CertificateName]) async throws -> Report {
        var report = Report()
        guard !names.isEmpty else { return report }
        try RootOwned.check(folder: directory)
        let foreign = try foreign()
        for name in names {
            try Task.checkCancellation()
            do {
                if let (certificate, hooks) = try await deploy(name, from: foreign) {
                    report.deployed.append((certificate, hooks))
                    output.record(SystemJournal.Event(.deployed, name, ca: certificate.metadata.directory))
                } else {
                    report.unchanged.append(name)
                }
            } catch {
                try Task.checkCancellation()
                let failure = Self.failure(error)
                report.failed.append((name, failure))
                output.reportPart(failure, of: name.rawValue)
                output.record(SystemJournal.Event(failure, of: name))
                await tell(failure, of: name)
            }
        }
        return report
    }

    /// Runs root's failure hook. Its own failure is only a warning.
    private func tell(_ failure: Failure, of name: CertificateName) async {
        guard let hook = settings.rootFailureHook(of: name) else { return }
        do {
            try RootOwned.check(program: hook)
            // What the servers have, not what the user who is not trusted says.
            try await Hooks.fail(hook, name, failure, stored: try? await store.certificate(named: name))
        } catch {
            guard !(error is CancellationError) else { return }
            output.warning("root's failure hook of \(name) failed: \(Failure(error).message)")
        }
    }

    private func foreign() throws -> UntrustedStore {
        do { return try UntrustedStore(settings.stateDirectory) } catch { throw Self.failure(error) }
    }

    /// How often a certificate is looked at again that is replaced while its hooks run. The next run does the rest.
    private static let passes = 3

    /// - Returns: what ran; `nil` if every hook has succeeded for this certificate.
    private func deploy(
        _ name: CertificateName, from foreign: UntrustedStore
    ) async throws -> (certificate: StoredCertificate, hooks: [String])? {
        let hooks = settings.rootDeployHooks(of: name)
        guard !hooks.isEmpty else {
            throw Failure.configuration(
                "root-deploy-hook names no program for \(name)", hint: "root-deploy-hook in \(settings.file ?? Settings.defaultFile) does")
        }
        // Before anything is copied or run.
        for hook in hooks { try RootOwned.check(program: hook) }
        let lock = try await store.lock(name)
        defer { lock.release() }
        var done: (certificate: StoredCertificate, hooks: [String])?
        for _ in 0..<Self.passes {
            guard let found = try foreign.certificate(named: name) else { throw IssuanceError.notFound(name) }
            let (certificate, isNew) = try await copy(found)
            let record = HookRecord.read(name, stateDirectory: directory)
            let due = hooks.filter { record?.generation != certificate.metadata.generation || record?.hasSucceeded($0) != true }
            guard !due.isEmpty else {
                // A run that was killed may have left it unsaid.
                if !certificate.isDeployed { try await store.markDeployed(name, generation: certificate.metadata.generation) }
                return done
            }
            // When it was copied, it may have had a hook of its own, or other roots may have counted.
            if !isNew, let anchors = try anchors(for: name) { try await found.check(anchors: anchors, time: Session.now) }
            do { try await Hooks.deploy(hooks, stateDirectory: directory)(certificate) } catch let error as ExternalProgramError {
                throw IssuanceError.deployFailed(name, reason: error.description)
            }
            try await store.markDeployed(name, generation: certificate.metadata.generation)
            done = (certificate, (done?.hooks ?? []) + due)
        }
        return done
    }

    /// The roots to which a certificate's chain must lead; `nil` if any chain will do. A certificate for which root has
    /// named a hook may be of any CA. The general hooks are for whatever the user who is not trusted stores, so a CA must
    /// vouch for it.
    private func anchors(for name: CertificateName) throws -> TrustAnchors? {
        try settings.ownRootDeployHooks(of: name) == nil ? RootOwned.anchors(settings.rootDeployTrust) : nil
    }

    /// Root's copy, made if there is none of this certificate.
    private func copy(_ found: UntrustedCertificate) async throws -> (certificate: StoredCertificate, isNew: Bool) {
        var stored: StoredCertificate?
        // A damaged copy is replaced: it holds nothing that is not in the user's store.
        var isDamaged = false
        do throws(StoreError) { stored = try await store.certificate(named: found.name) } catch {
            guard error.reason == .damaged else { throw error }
            isDamaged = true
        }
        if let stored, found.isSame(as: stored) { return (stored, false) }
        let declared = settings.declared.first { found.name.spellings.contains($0.name) }?.identifiers
        let new = try await found.checked(declared: declared, anchors: try anchors(for: found.name), time: Session.now)
        // Its state may be what is damaged, which a new generation would keep.
        if isDamaged { try await store.removeCertificate(named: found.name) }
        // Generations are counted from 1 again: the hooks have run for another one.
        if stored == nil { try HookRecord.forget(found.name, stateDirectory: directory) }
        return (try await store.install(new), true)
    }

    /// With words for a file that is not the CA's answer.
    private static func failure(_ error: any Error) -> Failure {
        guard let refused = error as? StoreError else { return Failure(error) }
        let prefix = "the CA's certificate chain is refused: "
        switch refused.reason {
        case .chainRefused where refused.message.hasPrefix(prefix):
            return Failure(
                "deploy-refused", .failed, "the certificate is not deployed: \(refused.message.dropFirst(prefix.count))", hint: refused.hint
            )
        case .damaged, .unavailable, .chainRefused:
            return Failure("deploy-refused", .failed, "the certificate is not deployed: \(refused.description)", hint: refused.hint)
        default: return Failure(error)
        }
    }
}

/// Whether root's hooks have run for a certificate of the store, as far as this user can see.
enum RootDeployState: String {
    case done
    /// They have not run, or not all of them have succeeded.
    case pending

    /// - Returns: `nil` if there are no such hooks, or if it cannot be seen.
    static func of(_ certificate: StoredCertificate, _ session: Session) async -> RootDeployState? {
        guard !session.settings.rootDeployHooks(of: certificate.name).isEmpty else { return nil }
        let store = session.store(at: session.settings.rootDeployDirectory)
        do throws(StoreError) {
            guard let copy = try await store.certificate(named: certificate.name) else { return .pending }
            return copy.chain.leafDER == certificate.chain.leafDER && copy.isDeployed ? .done : .pending
        } catch { return nil }
    }

    /// Seconds that they may take before it is worth a word.
    static let patience: Int64 = 600

    /// What needs attention, one line for each certificate.
    static func attention(_ contents: StoreContents, _ session: Session) async -> [String] {
        guard session.settings.hasRootDeployHooks else { return [] }
        var lines: [String] = []
        for report in contents.reports where report.certificate.metadata.installed < Session.now - patience {
            guard await of(report.certificate, session) == .pending else { continue }
            lines.append("\(report.certificate.name): root's deploy hooks have not run for it (journalctl -u acme-agent-deploy)")
        }
        return lines
    }
}
