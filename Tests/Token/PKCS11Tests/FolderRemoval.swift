import Foundation
import Synchronization

extension ModuleFixture {
    static let folderToRemove = Mutex<String?>(nil)

    static func removeFolder() {
        if let folder = folderToRemove.withLock({ $0 }) { try? FileManager.default.removeItem(atPath: folder) }
    }
}
