import ACME
import AgentClient
import AgentInterface
import ArgumentParser
import PolicyInquiry

struct PolicyCheck: AgentCommand {
    static let stateUse = StateUse.read
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Explain what the agent would decide about a request, and why.",
        discussion: """
            Ask one question: what is to be done and, for some operations, the CA (--ca, --directory) and the \
            account's key. Nothing is signed, and no rate is used up. For a refusal it names the grant that came \
            closest and what that lacks; root, the agent's own user and users with read-audit also get the line of the \
            configuration. The exit status is 0 if the request would be allowed, and 2 if not.

            To ask about a file that the agent has not loaded: acme-agentd --config FILE --explain, with the same \
            questions.

            Example: acme-agent policy check --order www.example.org
            """)

    @OptionGroup var inquiry: InquiryOptions

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard !inquiry.isGiven else { return }
        throw ValidationError("no question: say what is to be done, for example --order www.example.org")
    }

    func run(_ session: Session) async throws -> ExitStatus {
        let subject = try inquiry.subject
        let found = try subject?.subject { name in
            (UInt32(name).flatMap { LocalUser(id: $0) } ?? LocalUser(named: name))
                .map { DecisionQuestion.Subject(user: $0.id, groups: $0.groups) }
        }
        let agent = try await session.agent()
        let key = inquiry.needsAccountKey ? try await accountKey(session, agent, as: subject, found) : nil
        let question = try inquiry.question(directory: session.settings.directory, accountKey: key, subject: found)
        let explanation = try await agent.explain(question)
        let answer = ExplanationText(explanation, of: question, subject: subject)
        try session.output.result(answer.text) { answer.writeMembers(to: &$0) }
        return explanation.isAllowed ? .success : .refused
    }

    /// The key of the user's account at the CA, or the one that a registration would make.
    private func accountKey(
        _ session: Session, _ agent: AgentClient, as subject: SubjectArgument?, _ found: DecisionQuestion.Subject?
    ) async throws -> KeyName {
        let directory = session.settings.directory
        if let found {
            let name = LocalUser(id: found.user)?.name
            return try AccountKeyNames(at: directory, user: AccountKeyNames.user(named: name, number: found.user)).own
        }
        if let configured = session.settings.ca(at: directory).accountKey { return configured }
        if let stored = try await session.store.account(at: directory) { return stored.key }
        let grants = try await agent.status().grants
        return try AccountKeyNames(at: directory, user: AccountKeyNames.currentUser()).chosen { name in
            grants.contains { $0.operations.contains(Operation.newAccount.rawValue) && $0.covers(name) }
        }
    }
}
