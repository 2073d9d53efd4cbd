/// A queue whose head is taken without moving the rest.
struct RequestQueue {
    private var items: [SignatureRequest?] = []
    private var head = 0
    /// Bytes of the inputs that wait.
    private(set) var bytes = 0

    var count: Int { items.count - head }

    mutating func append(_ request: SignatureRequest) {
        bytes += request.input.count
        items.append(request)
    }

    mutating func prepend(_ request: SignatureRequest) {
        bytes += request.input.count
        if head > 0 {
            head -= 1
            items[head] = request
        } else {
            items.insert(request, at: 0)
        }
    }

    mutating func popFirst() -> SignatureRequest? {
        guard head < items.count, let request = items[head] else { return nil }
        items[head] = nil
        head += 1
        bytes -= request.input.count
        if head == items.count {
            items.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 1_024, head > items.count / 2 {
            items.removeFirst(head)
            head = 0
        }
        return request
    }

    mutating func remove(where condition: (SignatureRequest) -> Bool) -> [SignatureRequest] {
        let all = items[head...].compactMap { $0 }
        let removed = all.filter(condition)
        guard !removed.isEmpty else { return [] }
        items = all.filter { !condition($0) }
        head = 0
        bytes = items.reduce(0) { $0 + ($1?.input.count ?? 0) }
        return removed
    }
}
