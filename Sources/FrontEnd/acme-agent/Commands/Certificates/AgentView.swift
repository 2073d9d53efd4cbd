import ACME
import AgentClient
import AgentInterface
import CertificateStore
import Issuance
import JOSE
import Synchronization
import Varlink

/// What the agent tells this user of its keys and grants, asked once for all certificates of a store.
struct AgentView: Sendable {
    /// `nil` if the agent did not say in time.
    private var grants: [GrantStatus]?
    /// Whether each key is retired; `nil` if the agent did not say in time.
    private var keys: [KeyName: Bool]?
    /// Why it did not answer.
    private(set) var silence: Failure?

    /// How long to wait for the agent; the stored files can be shown without it.
    private static let patience: Duration = .seconds(3)

    init(grants: [GrantStatus]? = nil, keys: [KeyName: Bool]? = nil, silence: Failure? = nil) {
        self.grants = grants
        self.keys = keys
        self.silence = silence
    }

    private final class FirstAnswer: Sendable {
        let grants = Mutex<[GrantStatus]?>(nil)
    }

    static func ask(_ session: Session) async -> AgentView {
        // A long list of keys that does not come in time is no silence.
        let first = FirstAnswer()
        return await withTaskGroup(of: AgentView.self) { group in
            group.addTask {
                do {
                    let agent = try await session.agent()
                    let grants = try await agent.status().grants
                    first.grants.withLock { $0 = grants }
                    let keys = try await agent.keys().map { ($0.name, $0.state == .retired) }
                    return AgentView(grants: grants, keys: Dictionary(keys) { first, _ in first })
                } catch {
                    // What it has said of the grants counts.
                    if let grants = first.grants.withLock({ $0 }) { return AgentView(grants: grants) }
                    return AgentView(silence: Failure(error))
                }
            }
            group.addTask {
                try? await Task.sleep(for: patience)
                if let grants = first.grants.withLock({ $0 }) { return AgentView(grants: grants) }
                return AgentView(silence: Failure(VarlinkConnectionError.timedOut))
            }
            defer { group.cancelAll() }
            return await group.next() ?? AgentView()
        }
    }

    /// Whether a key is retired, or the agent does not have it although a grant would show it to this user.
    func fault(of name: KeyName) -> CertificateReport.KeyFault? {
        guard let grants, let keys else { return nil }
        switch keys[name] {
        case true?: return .retired
        case false?: return nil
        case nil: return grants.contains { $0.covers(name) } ? .gone : nil
        }
    }

    /// What keeps this user from renewing certificates; those of another user's store are not its own to renew.
    /// - Returns: `nil` if nothing is known.
    func renewalGrants(_ session: Session) -> RenewalGrants? {
        grants.map { RenewalGrants($0, store: session.store, isOwn: StoreOwner.isOwn(session.settings.stateDirectory)) }
    }

    /// What a command that has nothing to order says of an agent that does not answer.
    var warning: RenewalReport.Warning? {
        silence.map {
            RenewalReport.Warning(
                name: nil, code: $0.code, status: $0.exitStatus, message: "no certificate can be renewed for now: \($0.message)",
                hint: $0.hint)
        }
    }
}
