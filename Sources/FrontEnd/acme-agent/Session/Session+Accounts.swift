import ACME
import Issuance

extension Session {
    /// Runs `body` with the account flow of the configured CA; a signal cancels it.
    func withAccounts<Result: Sendable>(
        _ body: @escaping @Sendable (AccountFlow, ACMEURL) async throws -> Result
    ) async throws -> Result {
        let directory = settings.directory
        let display = ProgressDisplay(output)
        do {
            let result = try await Interruption.cancelling(notice: { Interruption.announce(display) }) {
                let keys = try await self.keys()
                return try await withTransport(to: directory) { transport in
                    try await body(AccountFlow(store: store, keys: keys, transport: transport, observer: display.observer), directory)
                }
            }
            display.finish(summary: output.verbosity == .verbose)
            return result
        } catch {
            display.finish(summary: false)
            throw error
        }
    }
}
