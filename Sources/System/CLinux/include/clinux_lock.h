#pragma once

/* Locks an open file for writing, without waiting, until the last descriptor of this opening is closed (F_OFD_SETLK of
   fcntl(2)). Unlike flock(2), a user who may only read the file cannot keep its owner from writing: another's read lock
   is no obstacle. EAGAIN if another opening holds the lock; otherwise 0, even where the file system has no locks. */
int clinux_write_lock(int descriptor);
