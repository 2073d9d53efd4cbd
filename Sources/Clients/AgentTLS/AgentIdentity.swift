import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A certificate in the store of `acme-agent`, with its key in the agent, for TLS with NIOSSL. When the certificate is
/// renewed, new handshakes use the new certificate and key, without a restart.
///
/// ```swift
/// let identity = try AgentIdentity(folder: "/var/lib/acme-agent/certificates/www.example.org")
/// let context = try NIOSSLContext(configuration: identity.serverConfiguration())
/// ```
public final class AgentIdentity: Sendable {
    /// The certificate's folder.
    public let folder: String
    private let signer: AgentSigner
    private let state: Mutex<State>
    /// Held while the files are read, so that an older certificate never replaces a newer one.
    private let reading = Mutex(())
    private let watch = Mutex<Task<Void, Never>?>(nil)

    private struct State {
        /// The files of `pair`.
        var files: IdentityFiles
        var pair: IdentityPair
        /// The files that cannot be used, and why.
        var unusable: IdentityFiles?
        var failure: AgentTLSError?
    }

    /// Reads certificate and key file. Blocks; not for an event loop.
    /// - Parameters:
    ///   - folder: Has `fullchain.pem` and `key.pem`: a certificate's folder of `acme-agent`, or a copy of both files.
    ///   - signer: Has the key sign.
    ///   - interval: How often to look for a new certificate. A folder that cannot be used then does not replace the
    ///     pair in use, and the signer's `onFailure` gets the reason.
    /// - Throws: `AgentTLSError`.
    public init(folder: String, signer: AgentSigner = .shared, interval: Duration = .seconds(1)) throws {
        self.folder = folder
        self.signer = signer
        let files = try IdentityFiles(folder: folder)
        state = Mutex(State(files: files, pair: try files.pair(folder: folder, signer: signer)))
        let task = Task { [weak self] in
            while (try? await Task.sleep(for: interval)) != nil {
                guard let self else { return }
                _ = try? await self.reload()
            }
        }
        watch.withLock { $0 = task }
    }

    deinit { watch.withLock { $0?.cancel() } }

    /// Certificate and key for the next handshake, for a server that chooses among several in its own
    /// `sslContextCallback`.
    public var current: NIOSSLContextConfigurationOverride {
        let pair = state.withLock { $0.pair }
        var current = NIOSSLContextConfigurationOverride()
        current.certificateChain = pair.chain
        current.privateKey = .privateKey(pair.key)
        return current
    }

    /// Looks for a new certificate now.
    /// - Returns: Whether there was one.
    /// - Throws: `AgentTLSError`; then the pair in use stays.
    @discardableResult public func reload() async throws -> Bool {
        try await NIOThreadPool.singleton.runIfActive { [self] in try reading.withLock { _ throws(AgentTLSError) in try look() } }
    }

    private func look() throws(AgentTLSError) -> Bool {
        let files: IdentityFiles
        do throws(AgentTLSError) { files = try IdentityFiles(folder: folder) } catch {
            report(error, unusable: nil)
            throw error
        }
        let isKnown = try state.withLock { state throws(AgentTLSError) in
            if files == state.unusable, let failure = state.failure { throw failure }
            guard files == state.files else { return false }
            state.unusable = nil
            state.failure = nil
            return true
        }
        if isKnown { return false }
        do throws(AgentTLSError) {
            let pair = try files.pair(folder: folder, signer: signer)
            state.withLock { $0 = State(files: files, pair: pair) }
            return true
        } catch {
            report(error, unusable: files)
            throw error
        }
    }

    /// Reports a failure unless it is the last one again.
    private func report(_ failure: AgentTLSError, unusable files: IdentityFiles?) {
        let isNew = state.withLock { state in
            defer {
                state.unusable = files
                state.failure = failure
            }
            return state.failure?.message != failure.message
        }
        if isNew { signer.onFailure(failure) }
    }

    /// A server's TLS configuration: TLS 1.3, the only version that a grant of `sign-handshake` allows. For TLS 1.2 set
    /// `minimumTLSVersion` and grant `sign-server-key-exchange`. Leave `certificateChain`, `privateKey`,
    /// `signingSignatureAlgorithms` and `sslContextCallback` as they are.
    public func serverConfiguration() -> TLSConfiguration {
        let pair = state.withLock { $0.pair }
        return configuration(.makeServerConfiguration(certificateChain: pair.chain, privateKey: .privateKey(pair.key)))
    }

    /// A client's TLS configuration that presents the certificate to servers that ask for one, in TLS 1.3, for which
    /// `sign-client-handshake` must be granted.
    public func clientConfiguration() -> TLSConfiguration { configuration(.makeClientConfiguration()) }

    private func configuration(_ base: TLSConfiguration) -> TLSConfiguration {
        var configuration = base
        configuration.minimumTLSVersion = .tlsv13
        // Each handshake gets certificate and key from the callback. A key here would limit the signature schemes to
        // those of its kind, and a renewal may change that.
        configuration.certificateChain = []
        configuration.privateKey = nil
        configuration.signingSignatureAlgorithms = SignatureAlgorithm.agents
        configuration.sslContextCallback = { [self] _, promise in promise.succeed(current) }
        return configuration
    }
}
