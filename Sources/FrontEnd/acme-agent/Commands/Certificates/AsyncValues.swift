extension Optional where Wrapped: Sendable {
    func asyncFlatMap<Result>(_ body: (Wrapped) async -> Result?) async -> Result? {
        guard let self else { return nil }
        return await body(self)
    }
}

extension Array where Element: Sendable {
    func asyncFilter(_ isIncluded: (Element) async throws -> Bool) async throws -> [Element] {
        var result: [Element] = []
        for element in self where try await isIncluded(element) { result.append(element) }
        return result
    }
}
