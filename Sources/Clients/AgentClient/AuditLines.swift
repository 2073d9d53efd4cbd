import StrictJSON
import Varlink

/// Records of the audit trail, each a line of JSON, in their order.
///
/// The agent is asked when the first line is. A reader that does not read holds the agent back: only a few replies wait
/// in memory, for 30 s: then the agent closes the connection, and `next` throws. Other calls of the same ``AgentClient`` wait meanwhile, so give a trail that is followed a client of its
/// own. Leaving it before its end closes the connection; the next call makes another one.
public struct AuditLines: AsyncSequence, Sendable {
    /// A line, without its end.
    public typealias Element = String

    let client: AgentClient
    let last: Int
    let follows: Bool

    /// For one reader.
    public func makeAsyncIterator() -> Iterator { Iterator(lines: self) }

    /// Gives the lines one by one.
    public struct Iterator: AsyncIteratorProtocol {
        private let lines: AuditLines
        private var replies: VarlinkReplies.Iterator?
        /// Of the last reply.
        private var waiting: ArraySlice<String> = []
        private var hasEnded = false

        fileprivate init(lines: AuditLines) { self.lines = lines }

        /// The next line; `nil` after the last one, which a trail that is followed does not have.
        /// - Throws: `AgentError` if the agent refuses, `VarlinkConnectionError` if the connection ends.
        public mutating func next() async throws -> String? {
            while waiting.isEmpty {
                guard !hasEnded else { return nil }
                do { waiting = try await reply()[...] } catch {
                    end()
                    throw AgentClient.agentError(error)
                }
            }
            return waiting.popFirst()
        }

        /// The lines of the next reply; none of the end.
        private mutating func reply() async throws -> [String] {
            guard lines.follows else {
                hasEnded = true
                return try await lines.client.lastRecords(lines.last)
            }
            if replies == nil { replies = try await lines.client.followedRecords(lines.last).makeAsyncIterator() }
            guard let reply = try await replies?.next() else {
                end()
                return []
            }
            return try reply.parameters.strings("records")
        }

        private mutating func end() {
            hasEnded = true
            replies = nil
        }
    }
}
