import ACME
import ACMEClient
import AgentClient
import AgentInterface
import CertificateStore
import DurableFile
import Glibc

/// A running command's context: settings, output, and connections that are made when they are needed.
struct Session: Sendable {
    let settings: Settings
    let output: Output

    var store: FolderStore { store(at: settings.stateDirectory) }

    func store(at folder: String) -> FolderStore {
        // Key files are read by programs in other folders.
        let socket = settings.socket == AgentClient.defaultSocket ? nil : try? AbsolutePath.of(settings.socket)
        return FolderStore(folder: folder, socket: socket, keyFileGroup: try? settings.keyFileGroup?.get())
    }

    /// A connection to the agent. If the agent is slow to answer, a line says so.
    /// - Throws: `AgentConnectionError`.
    func agent() async throws -> AgentClient {
        output.detail("agent: \(settings.socket)")
        let agent = try await AgentClient.connect(socket: settings.socket) { [output, socket = settings.socket] in
            output.note("waiting for the agent to answer on \(TerminalText.safe(socket))")
        }
        // Asked for only if it is shown, and no command fails for want of it.
        if output.verbosity >= .verbose, let correlation = (try? await agent.status())?.correlation {
            output.detail("in the agent's log and audit trail: \(Session.connection(of: TerminalText.safe(correlation, limit: 100)))")
        }
        return agent
    }

    /// What all calls of a connection have in common.
    static func connection(of correlation: String) -> String {
        "correlation " + correlation.split(separator: "-").prefix(2).joined(separator: "-") + "-…"
    }

    /// The agent's keys for the flow.
    /// - Parameter token: for new keys; `nil` for the agent's first.
    func keys(token: String? = nil) async throws -> AgentKeyProvider {
        AgentKeyProvider(agent: try await agent(), token: token) { [socket = settings.socket] in
            try await AgentClient.connect(socket: socket)
        }
    }

    /// Runs `body` with a transport to a CA, which is closed afterwards.
    /// - Parameter remembered: a certificate's own root certificates for the CA.
    func withTransport<Result: Sendable>(
        to directory: ACMEURL, remembered: CertificateSettings.CACertificate? = nil, _ body: (AsyncHTTPTransport) async throws -> Result
    ) async throws -> Result {
        let transport = try transport(to: directory, remembered: remembered)
        do {
            let result = try await body(transport)
            await transport.shutdown()
            return result
        } catch {
            await transport.shutdown()
            throw error
        }
    }

    /// A transport to a CA, which the caller closes.
    func transport(to directory: ACMEURL, remembered: CertificateSettings.CACertificate? = nil) throws -> AsyncHTTPTransport {
        output.detail("CA: \(output.given.named(directory.text))")
        let trustRoots = settings.trustRoots(for: directory, remembered: remembered)
        if case .file(let path) = trustRoots {
            do throws(FileError) { _ = try File(reading: path) } catch {
                let source = trustRoots == settings.trustRoots(for: directory) ? "" : "; this one is remembered from `acme-agent issue`"
                throw Failure.configuration(
                    "the CA certificate \"\(TerminalText.safe(path))\" cannot be read: \(error.reason)",
                    hint: "--ca-certificate, or ca-certificate in the configuration, names a PEM file\(source)")
            }
        }
        let proxy = try settings.proxy(for: directory)
        if let proxy { output.detail("proxy: \(proxy)") }
        return try AsyncHTTPTransport(
            trustRoots: trustRoots, userAgent: Version.userAgent,
            language: PreferredLanguage.fieldValue(locale: settings.locale), proxy: proxy)
    }

    /// Unix seconds.
    static var now: Int64 { Int64(time(nil)) }

    /// Whether a person can be asked.
    var canAsk: Bool { Output.isStandardInputTerminal && Output.isStandardErrorTerminal && !output.isJSON }

    /// Asks before something that cannot be undone; `--yes` answers in advance.
    func confirm(_ question: String, yes: Bool) throws {
        if yes { return }
        guard canAsk else {
            throw Failure.usage("without a terminal, --yes is needed to \(question)")
        }
        Output.write("\(question)? [y/N] ", to: STDERR_FILENO)
        guard let answer = readLine(), answer.lowercased() == "y" || answer.lowercased() == "yes" else {
            throw Failure("not-confirmed", .failed, "nothing was changed")
        }
    }
}
