import ACME
import AgentInterface
import SigningPolicy

extension LoadedConfiguration {
    /// What its policy decides, why, and for somebody who may know all grants where in the file.
    func explain(_ question: PolicyQuestion, to listener: PolicyExplanation.Listener) -> PolicyExplanation {
        rules.policy.explain(question, to: listener)
    }

    /// An explanation as the interface has it.
    func report(_ explanation: PolicyExplanation, of question: PolicyQuestion, to listener: PolicyExplanation.Listener)
        -> DecisionExplanation
    {
        let isForAll = listener == .administrator
        switch explanation.decision {
        case .allowed(let grant):
            return DecisionExplanation(
                isAllowed: true, grant: grant, file: isForAll ? configuration.file : nil, line: isForAll ? line(ofGrant: grant) : nil)
        case .refused(let refusal):
            let name = explanation.nearest?.name ?? refusal.grant, grant = name.flatMap { setting(named: $0) }
            let lacks = (explanation.nearest?.lacks ?? []).map { lack in
                DecisionExplanation.Lack(
                    setting: lack.change.setting.rawValue,
                    line: isForAll ? grant?.table.line(ofSetting: lack.change.setting.rawValue) : nil, add: lack.change.add,
                    message: lack.gap.description)
            }
            return DecisionExplanation(
                isAllowed: false, grant: name, file: isForAll ? configuration.file : nil,
                line: isForAll ? grant?.table.line() : nil, reason: refusal.reason.rawValue, message: refusal.forCaller.message,
                hint: refusal.forCaller.hint, lacks: lacks,
                problems: problems(for: question.peer, grants: rules.policy.grants(for: question.peer)))
        }
    }

    private func setting(named name: String) -> AgentConfiguration.GrantSetting? { configuration.grants.first { $0.name == name } }

    private func line(ofGrant name: String) -> Int? { setting(named: name)?.table.line() }

    // MARK: Who may do what

    /// Every grant of the file, with those that are off.
    var allGrants: [AssignedGrant] {
        configuration.grants.compactMap { setting in
            // Its text was valid when the file was read.
            guard let grant = try? Grant(setting) else { return nil }
            return AssignedGrant(
                grant: GrantStatus(grant, rates: []), users: setting.users, groups: setting.groups, line: setting.table.line(),
                off: off.first { $0.grant == setting.name }?.message, limits: grant.limits)
        }
    }

    /// The peer's grants that are in force, and by which of its own names it has them: not who else has them.
    func grants(of peer: Peer) -> [AssignedGrant] {
        rules.policy.grants(for: peer).map { grant in
            let setting = setting(named: grant.name)
            return AssignedGrant(
                grant: GrantStatus(grant, rates: []),
                users: (setting?.users ?? []).filter { number(of: .user($0), $0) == peer.uid },
                groups: (setting?.groups ?? []).filter { number(of: .group($0), $0).map(peer.gids.contains) == true },
                limits: grant.limits)
        }
    }
}

extension Grant {
    /// As the interface has them.
    fileprivate var limits: [RateLimit] {
        GrantRate.Kind.allCases.compactMap { kind in
            rate?.limits[kind].map { RateLimit($0, of: kind) }
        }
    }
}

extension RateLimit {
    /// As the interface has it.
    init(_ limit: GrantRate.Limit, of kind: GrantRate.Kind) {
        self.init(what: kind.rawValue, count: limit.count, seconds: limit.seconds, burst: limit.burst)
    }
}
