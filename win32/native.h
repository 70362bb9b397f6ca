/* SPDX-License-Identifier: MIT */
/* The system's headers and the table of its calls. */
#ifndef OVIO_WIN32_NATIVE_H
#define OVIO_WIN32_NATIVE_H

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0A00
#endif

#include <winsock2.h>
#include <windows.h>
#include <bcrypt.h>
#include <winternl.h>

/* ---- what the headers of mingw-w64 keep for drivers ---- */

#define NATIVE_STATUS_PENDING           ((NTSTATUS)0x103)
#define NATIVE_STATUS_ALERTED           ((NTSTATUS)0x101)
#define NATIVE_FILE_MODE_INFORMATION    ((FILE_INFORMATION_CLASS)16)
/* FILE_SYNCHRONOUS_IO_ALERT and _NONALERT: what an overlapped handle lacks. */
#define NATIVE_FILE_SYNCHRONOUS         0x30u

/* Since Windows 10 1607, its flag for read-only files since 1809. */
#define NATIVE_FILE_DISPOSITION_INFO_EX ((FILE_INFO_BY_HANDLE_CLASS)21)
#define NATIVE_FILE_RENAME_INFO_EX      ((FILE_INFO_BY_HANDLE_CLASS)22)
#define NATIVE_DISPOSITION_DELETE       0x01u
#define NATIVE_DISPOSITION_POSIX        0x02u
#define NATIVE_DISPOSITION_READONLY     0x10u
#define NATIVE_RENAME_REPLACE           0x01u
#define NATIVE_RENAME_POSIX             0x02u
#define NATIVE_RENAME_READONLY          0x40u

/* FILE_RENAME_INFO: the flags of the older class are one BOOLEAN. */
struct native_rename {
  DWORD flags;
  HANDLE root;
  DWORD length; /* bytes */
  WCHAR name[];
};

/* REPARSE_DATA_BUFFER of a link (MS). */
struct native_reparse {
  ULONG tag;
  USHORT length;
  USHORT reserved;
  USHORT target_offset; /* bytes, from the names on */
  USHORT target_length;
  USHORT shown_offset;
  USHORT shown_length;
};

#ifndef SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE
#define SYMBOLIC_LINK_FLAG_ALLOW_UNPRIVILEGED_CREATE 0x2
#endif

/* ---- the calls that can fail, each replaceable by a test ---- */

#ifdef OVIO_TESTING
#define NATIVE_CONST
#else
#define NATIVE_CONST const
#endif

/* clang-format off */
struct native_calls {
  HANDLE (WINAPI *CreateFileW)(LPCWSTR, DWORD, DWORD, LPSECURITY_ATTRIBUTES,
      DWORD, DWORD, HANDLE);
  HANDLE (WINAPI *CreateNamedPipeW)(LPCWSTR, DWORD, DWORD, DWORD, DWORD, DWORD,
      DWORD, LPSECURITY_ATTRIBUTES);
  BOOL (WINAPI *ConnectNamedPipe)(HANDLE, LPOVERLAPPED);
  BOOL (WINAPI *SetNamedPipeHandleState)(HANDLE, LPDWORD, LPDWORD, LPDWORD);
  BOOL (WINAPI *OpenProcessToken)(HANDLE, DWORD, PHANDLE);
  BOOL (WINAPI *GetTokenInformation)(HANDLE, TOKEN_INFORMATION_CLASS, LPVOID,
      DWORD, PDWORD);
  BOOL (WINAPI *CloseHandle)(HANDLE);
  BOOL (WINAPI *ReadFile)(HANDLE, LPVOID, DWORD, LPDWORD, LPOVERLAPPED);
  BOOL (WINAPI *WriteFile)(HANDLE, LPCVOID, DWORD, LPDWORD, LPOVERLAPPED);
  NTSTATUS (WINAPI *NtReadFile)(HANDLE, HANDLE, PIO_APC_ROUTINE, PVOID,
      PIO_STATUS_BLOCK, PVOID, ULONG, PLARGE_INTEGER, PULONG);
  NTSTATUS (WINAPI *NtWriteFile)(HANDLE, HANDLE, PIO_APC_ROUTINE, PVOID,
      PIO_STATUS_BLOCK, PVOID, ULONG, PLARGE_INTEGER, PULONG);
  NTSTATUS (WINAPI *NtQueryInformationFile)(HANDLE, PIO_STATUS_BLOCK, PVOID,
      ULONG, FILE_INFORMATION_CLASS);
  BOOL (WINAPI *CancelIoEx)(HANDLE, LPOVERLAPPED);
  BOOL (WINAPI *CancelSynchronousIo)(HANDLE);
  HANDLE (WINAPI *CreateIoCompletionPort)(HANDLE, HANDLE, ULONG_PTR, DWORD);
  BOOL (WINAPI *GetQueuedCompletionStatusEx)(HANDLE, LPOVERLAPPED_ENTRY, ULONG,
      PULONG, DWORD, BOOL);
  BOOL (WINAPI *PostQueuedCompletionStatus)(HANDLE, DWORD, ULONG_PTR,
      LPOVERLAPPED);
  BOOL (WINAPI *SetFileCompletionNotificationModes)(HANDLE, UCHAR);
  BOOL (WINAPI *FlushFileBuffers)(HANDLE);
  BOOL (WINAPI *SetFileInformationByHandle)(HANDLE, FILE_INFO_BY_HANDLE_CLASS,
      LPVOID, DWORD);
  BOOL (WINAPI *GetFileInformationByHandleEx)(HANDLE, FILE_INFO_BY_HANDLE_CLASS,
      LPVOID, DWORD);
  BOOL (WINAPI *GetFileInformationByHandle)(HANDLE,
      LPBY_HANDLE_FILE_INFORMATION);
  BOOL (WINAPI *GetFileSizeEx)(HANDLE, PLARGE_INTEGER);
  BOOL (WINAPI *SetFilePointerEx)(HANDLE, LARGE_INTEGER, PLARGE_INTEGER, DWORD);
  BOOL (WINAPI *SetFileTime)(HANDLE, const FILETIME *, const FILETIME *,
      const FILETIME *);
  DWORD (WINAPI *GetFileType)(HANDLE);
  BOOL (WINAPI *GetConsoleMode)(HANDLE, LPDWORD);
  BOOL (WINAPI *ReadConsoleW)(HANDLE, LPVOID, DWORD, LPDWORD, PVOID);
  BOOL (WINAPI *WriteConsoleW)(HANDLE, CONST VOID *, DWORD, LPDWORD, LPVOID);
  DWORD (WINAPI *GetFileAttributesW)(LPCWSTR);
  BOOL (WINAPI *SetFileAttributesW)(LPCWSTR, DWORD);
  BOOL (WINAPI *CreateDirectoryW)(LPCWSTR, LPSECURITY_ATTRIBUTES);
  BOOL (WINAPI *RemoveDirectoryW)(LPCWSTR);
  BOOL (WINAPI *CreateHardLinkW)(LPCWSTR, LPCWSTR, LPSECURITY_ATTRIBUTES);
  BOOLEAN (WINAPI *CreateSymbolicLinkW)(LPCWSTR, LPCWSTR, DWORD);
  BOOL (WINAPI *DeviceIoControl)(HANDLE, DWORD, LPVOID, DWORD, LPVOID, DWORD,
      LPDWORD, LPOVERLAPPED);
  DWORD (WINAPI *GetTempPathW)(DWORD, LPWSTR);
  DWORD (WINAPI *GetFinalPathNameByHandleW)(HANDLE, LPWSTR, DWORD, DWORD);
  DWORD (WINAPI *GetFullPathNameW)(LPCWSTR, DWORD, LPWSTR, LPWSTR *);
  BOOL (WINAPI *GetNamedPipeInfo)(HANDLE, LPDWORD, LPDWORD, LPDWORD, LPDWORD);
  BOOL (WINAPI *GetNamedPipeHandleStateW)(HANDLE, LPDWORD, LPDWORD, LPDWORD,
      LPDWORD, LPWSTR, DWORD);
  HANDLE (WINAPI *CreateEventW)(LPSECURITY_ATTRIBUTES, BOOL, BOOL, LPCWSTR);
  BOOL (WINAPI *DuplicateHandle)(HANDLE, HANDLE, HANDLE, LPHANDLE, DWORD, BOOL,
      DWORD);
  DWORD (WINAPI *WaitForSingleObject)(HANDLE, DWORD);
  DWORD (WINAPI *WaitForMultipleObjects)(DWORD, const HANDLE *, BOOL, DWORD);
  HANDLE (WINAPI *CreateThread)(LPSECURITY_ATTRIBUTES, SIZE_T,
      LPTHREAD_START_ROUTINE, LPVOID, DWORD, LPDWORD);
  BOOL (WINAPI *TlsSetValue)(DWORD, LPVOID);
  LPVOID (WINAPI *ConvertThreadToFiberEx)(LPVOID, DWORD);
  LPVOID (WINAPI *CreateFiberEx)(SIZE_T, SIZE_T, DWORD, LPFIBER_START_ROUTINE,
      LPVOID);
  BOOL (WINAPI *CreateProcessW)(LPCWSTR, LPWSTR, LPSECURITY_ATTRIBUTES,
      LPSECURITY_ATTRIBUTES, BOOL, DWORD, LPVOID, LPCWSTR, LPSTARTUPINFOW,
      LPPROCESS_INFORMATION);
  BOOL (WINAPI *InitializeProcThreadAttributeList)(LPPROC_THREAD_ATTRIBUTE_LIST,
      DWORD, DWORD, PSIZE_T);
  BOOL (WINAPI *UpdateProcThreadAttribute)(LPPROC_THREAD_ATTRIBUTE_LIST, DWORD,
      DWORD_PTR, PVOID, SIZE_T, PVOID, PSIZE_T);
  BOOL (WINAPI *TerminateProcess)(HANDLE, UINT);
  BOOL (WINAPI *GetExitCodeProcess)(HANDLE, LPDWORD);
  BOOL (WINAPI *GetHandleInformation)(HANDLE, LPDWORD);
  BOOL (WINAPI *SetHandleInformation)(HANDLE, DWORD, DWORD);
  DWORD (WINAPI *GetEnvironmentVariableW)(LPCWSTR, LPWSTR, DWORD);
  UINT (WINAPI *GetSystemDirectoryW)(LPWSTR, UINT);
  NTSTATUS (WINAPI *BCryptGenRandom)(BCRYPT_ALG_HANDLE, PUCHAR, ULONG, ULONG);
  int (WINAPI *getsockopt)(SOCKET, int, int, char *, int *);
  int (WINAPI *closesocket)(SOCKET);
  int (WINAPI *WSAPoll)(LPWSAPOLLFD, ULONG, INT);
};
/* clang-format on */

extern NATIVE_CONST struct native_calls native;

#endif
