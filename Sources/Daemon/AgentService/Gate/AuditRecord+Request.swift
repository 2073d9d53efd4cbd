import ACME
import AuditTrail
import SigningPolicy

extension AuditRecord {
    /// What the trail says about a request that was admitted.
    init(_ kind: Kind, of admitted: borrowing Admitted) {
        self.init(kind, question: admitted.question, caller: admitted.caller)
        grant = admitted.grant
    }

    /// What the trail says about any request. Nothing else makes a record from a caller.
    init(_ kind: Kind, question: borrowing PolicyQuestion, caller: borrowing Caller) {
        self.init(kind)
        correlation = caller.correlation
        uid = caller.peer.uid
        gid = caller.peer.gid
        connection = caller.peer.connection
        key = question.keys.first
        operation = question.operation.rawValue
        ca = (question.url?.origin ?? question.binding?.origin)?.description
        url = question.url?.text
        identifiers = question.identifiers.map(\.value)
    }
}
