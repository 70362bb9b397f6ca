/* SPDX-License-Identifier: MIT */
/* The table of the system's calls. */
#include "win32/side.h"

/* In ntdll.dll, documented, but declared for drivers only. */
NTSTATUS NTAPI NtReadFile(HANDLE file, HANDLE event, PIO_APC_ROUTINE apc,
                          PVOID context, PIO_STATUS_BLOCK status, PVOID buffer,
                          ULONG length, PLARGE_INTEGER offset, PULONG key);
NTSTATUS NTAPI NtWriteFile(HANDLE file, HANDLE event, PIO_APC_ROUTINE apc,
                           PVOID context, PIO_STATUS_BLOCK status, PVOID buffer,
                           ULONG length, PLARGE_INTEGER offset, PULONG key);
NTSTATUS NTAPI NtQueryInformationFile(HANDLE file, PIO_STATUS_BLOCK status,
                                      PVOID information, ULONG length,
                                      FILE_INFORMATION_CLASS kind);

/* Since Windows 10 20348 there is one which keeps the system's own services
 * out of a folder that everybody may write to. */
static DWORD WINAPI native__GetTempPathW(DWORD length, LPWSTR buffer) {
  HMODULE kernel = GetModuleHandleW(L"kernel32.dll");
  FARPROC newer = kernel ? GetProcAddress(kernel, "GetTempPath2W") : NULL;
  if (!newer)
    return GetTempPathW(length, buffer);
  return ((DWORD(WINAPI *)(DWORD, LPWSTR))(void (*)(void))newer)(length,
                                                                 buffer);
}

/* Its last parameter has a type of its own. */
static BOOL WINAPI native__ReadConsoleW(HANDLE console, LPVOID units,
                                        DWORD length, LPDWORD got,
                                        PVOID control) {
  return ReadConsoleW(console, units, length, got, control);
}

#define NATIVE_CALL(name) .name = name

NATIVE_CONST struct native_calls native = {
    NATIVE_CALL(CreateFileW),
    NATIVE_CALL(CreateNamedPipeW),
    NATIVE_CALL(ConnectNamedPipe),
    NATIVE_CALL(SetNamedPipeHandleState),
    NATIVE_CALL(OpenProcessToken),
    NATIVE_CALL(GetTokenInformation),
    NATIVE_CALL(CloseHandle),
    NATIVE_CALL(ReadFile),
    NATIVE_CALL(WriteFile),
    NATIVE_CALL(ReadFileScatter),
    NATIVE_CALL(WriteFileGather),
    NATIVE_CALL(NtReadFile),
    NATIVE_CALL(NtWriteFile),
    NATIVE_CALL(NtQueryInformationFile),
    NATIVE_CALL(CancelIoEx),
    NATIVE_CALL(CancelSynchronousIo),
    NATIVE_CALL(CreateIoCompletionPort),
    NATIVE_CALL(GetQueuedCompletionStatusEx),
    NATIVE_CALL(PostQueuedCompletionStatus),
    NATIVE_CALL(SetFileCompletionNotificationModes),
    NATIVE_CALL(ReadDirectoryChangesW),
    NATIVE_CALL(GetOverlappedResult),
    NATIVE_CALL(FlushFileBuffers),
    NATIVE_CALL(LockFileEx),
    NATIVE_CALL(UnlockFileEx),
    NATIVE_CALL(SetFileInformationByHandle),
    NATIVE_CALL(GetFileInformationByHandleEx),
    NATIVE_CALL(GetFileInformationByHandle),
    NATIVE_CALL(GetFileSizeEx),
    NATIVE_CALL(SetFilePointerEx),
    NATIVE_CALL(SetFileTime),
    NATIVE_CALL(GetFileType),
    NATIVE_CALL(GetConsoleMode),
    .ReadConsoleW = native__ReadConsoleW,
    NATIVE_CALL(WriteConsoleW),
    NATIVE_CALL(GetFileAttributesW),
    NATIVE_CALL(SetFileAttributesW),
    NATIVE_CALL(CreateDirectoryW),
    NATIVE_CALL(RemoveDirectoryW),
    NATIVE_CALL(CreateHardLinkW),
    NATIVE_CALL(CreateSymbolicLinkW),
    NATIVE_CALL(DeviceIoControl),
    .GetTempPathW = native__GetTempPathW,
    NATIVE_CALL(GetFinalPathNameByHandleW),
    NATIVE_CALL(GetFullPathNameW),
    NATIVE_CALL(GetNamedPipeInfo),
    NATIVE_CALL(GetNamedPipeHandleStateW),
    NATIVE_CALL(CreateEventW),
    NATIVE_CALL(DuplicateHandle),
    NATIVE_CALL(WaitForSingleObject),
    NATIVE_CALL(GetProcessId),
    NATIVE_CALL(RegisterWaitForSingleObject),
    NATIVE_CALL(UnregisterWaitEx),
    NATIVE_CALL(WaitForMultipleObjects),
    NATIVE_CALL(CreateThread),
    NATIVE_CALL(TlsSetValue),
    NATIVE_CALL(ConvertThreadToFiberEx),
    NATIVE_CALL(CreateFiberEx),
    NATIVE_CALL(CreateProcessW),
    NATIVE_CALL(InitializeProcThreadAttributeList),
    NATIVE_CALL(UpdateProcThreadAttribute),
    NATIVE_CALL(TerminateProcess),
    NATIVE_CALL(GetExitCodeProcess),
    NATIVE_CALL(GetHandleInformation),
    NATIVE_CALL(SetHandleInformation),
    NATIVE_CALL(GetEnvironmentVariableW),
    NATIVE_CALL(GetSystemDirectoryW),
    NATIVE_CALL(BCryptGenRandom),
    NATIVE_CALL(getsockopt),
    NATIVE_CALL(closesocket),
    NATIVE_CALL(WSASend),
    NATIVE_CALL(WSAPoll),
};

bool native_is_in_dll(void) {
  static const char here;
  HMODULE self = NULL;
  return GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS |
                                GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
                            (LPCWSTR)(const void *)&here, &self) &&
         self != GetModuleHandleW(NULL);
}
